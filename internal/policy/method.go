package policy

import "viaduct/sip"

var methodNames = [...]string{
	sip.INVITE: "INVITE", sip.ACK: "ACK", sip.CANCEL: "CANCEL", sip.BYE: "BYE", sip.OPTIONS: "OPTIONS",
	sip.REGISTER: "REGISTER", sip.PRACK: "PRACK", sip.UPDATE: "UPDATE", sip.INFO: "INFO", sip.MESSAGE: "MESSAGE",
	sip.SUBSCRIBE: "SUBSCRIBE", sip.NOTIFY: "NOTIFY", sip.REFER: "REFER", sip.PUBLISH: "PUBLISH",
}

// Methods are the methods that a rule can name, in the order of their values.
func Methods() []string { return methodNames[sip.INVITE:] }

// MethodNamed finds a method by its name, with regard to case (RFC 3261 §7.1).
func MethodNamed(name string) (sip.Method, bool) {
	for m, n := range methodNames {
		if n == name && n != "" {
			return sip.Method(m), true
		}
	}
	return sip.OtherMethod, false
}

// IsMethod reports whether the request is decided as one of method m.
func IsMethod(m sip.Method) Bool { return func(f *Facts) bool { return f.Method == m } }

// MethodText is the name of the method that the request is decided as.
func MethodText() Text {
	return func(f *Facts) []byte {
		if m := f.Method; m != sip.OtherMethod && int(m) < len(methodNames) {
			return f.str(methodNames[m])
		}
		return f.Msg.MethodName()
	}
}
