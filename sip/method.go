package sip

// Method identifies a method; compare names with case (RFC 3261 §7.1).
type Method uint8

// The methods that the project acts on; any other is OtherMethod.
const (
	OtherMethod Method = iota
	INVITE
	ACK
	CANCEL
	BYE
	OPTIONS
	REGISTER
	PRACK
	UPDATE
	INFO
	MESSAGE
	SUBSCRIBE
	NOTIFY
	REFER
	PUBLISH
)

var methodNames = [...]string{
	"", "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "PRACK", "UPDATE",
	"INFO", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH",
}

// String is the method's name, "" for OtherMethod.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return ""
}

// MethodOf returns the method of that name, OtherMethod when it is none of
// ours. Case counts: "invite" is an unknown method (RFC 3261 §7.1).
func MethodOf(name []byte) Method {
	switch string(name) {
	case "INVITE":
		return INVITE
	case "ACK":
		return ACK
	case "CANCEL":
		return CANCEL
	case "BYE":
		return BYE
	case "OPTIONS":
		return OPTIONS
	case "REGISTER":
		return REGISTER
	case "PRACK":
		return PRACK
	case "UPDATE":
		return UPDATE
	case "INFO":
		return INFO
	case "MESSAGE":
		return MESSAGE
	case "SUBSCRIBE":
		return SUBSCRIBE
	case "NOTIFY":
		return NOTIFY
	case "REFER":
		return REFER
	case "PUBLISH":
		return PUBLISH
	}
	return OtherMethod
}
