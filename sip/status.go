package sip

// StatusText is the RFC's reason phrase of a status code; of a code without one,
// that of its class (RFC 3261 §8.1.3.2), and "" outside 100–699.
func StatusText(status int) string {
	if status < 100 || status > 699 {
		return ""
	}
	if s := statusTexts[status-100]; s != "" {
		return s
	}
	return classTexts[status/100]
}

var classTexts = [7]string{
	1: "Session Progress", 2: "OK", 3: "Multiple Choices", 4: "Bad Request",
	5: "Server Internal Error", 6: "Busy Everywhere",
}

// statusTexts holds the phrases by code minus 100.
var statusTexts = [600]string{
	0: "Trying", 80: "Ringing", 81: "Call Is Being Forwarded", 82: "Queued",
	83: "Session Progress", 99: "Early Dialog Terminated",

	100: "OK", 102: "Accepted", 104: "No Notification",

	200: "Multiple Choices", 201: "Moved Permanently", 202: "Moved Temporarily",
	205: "Use Proxy", 280: "Alternative Service",

	300: "Bad Request", 301: "Unauthorized", 302: "Payment Required", 303: "Forbidden",
	304: "Not Found", 305: "Method Not Allowed", 306: "Not Acceptable",
	307: "Proxy Authentication Required", 308: "Request Timeout", 310: "Gone",
	312: "Conditional Request Failed", 313: "Request Entity Too Large",
	314: "Request-URI Too Long", 315: "Unsupported Media Type", 316: "Unsupported URI Scheme",
	317: "Unknown Resource-Priority", 320: "Bad Extension", 321: "Extension Required",
	322: "Session Interval Too Small", 323: "Interval Too Brief", 324: "Bad Location Information",
	328: "Use Identity Header", 329: "Provide Referrer Identity", 330: "Flow Failed",
	333: "Anonymity Disallowed", 336: "Bad Identity-Info", 337: "Unsupported Certificate",
	338: "Invalid Identity Header", 339: "First Hop Lacks Outbound Support",
	340: "Max-Breadth Exceeded", 369: "Bad Info Package", 370: "Consent Needed",
	380: "Temporarily Unavailable", 381: "Call/Transaction Does Not Exist", 382: "Loop Detected",
	383: "Too Many Hops", 384: "Address Incomplete", 385: "Ambiguous", 386: "Busy Here",
	387: "Request Terminated", 388: "Not Acceptable Here", 389: "Bad Event",
	391: "Request Pending", 393: "Undecipherable", 394: "Security Agreement Required",

	400: "Server Internal Error", 401: "Not Implemented", 402: "Bad Gateway",
	403: "Service Unavailable", 404: "Server Time-out", 405: "Version Not Supported",
	413: "Message Too Large", 480: "Precondition Failure",

	500: "Busy Everywhere", 503: "Decline", 504: "Does Not Exist Anywhere",
	506: "Not Acceptable", 507: "Unwanted", 508: "Rejected",
}
