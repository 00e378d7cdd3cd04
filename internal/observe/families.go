package observe

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"viaduct/internal/engine"
	"viaduct/internal/overload"
	"viaduct/internal/proxy"
	"viaduct/internal/transaction"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// family is one metric with all its label values, read from one snapshot of the
// engine's numbers.
type family = familyOf[engine.Stats]

// familyOf is a family that is read from an S.
type familyOf[S any] struct {
	name   string // without the prefix viaduct_
	help   string
	kind   prometheus.ValueType
	labels []string
	each   func(s *S, emit emitter)
}

// emitter takes one value with its label values, in the order of family.labels.
type emitter func(value float64, labels ...string)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// count is a counter without labels.
func count(name, help string, read func(s *engine.Stats) uint64) family {
	return family{name, help, counter, nil, func(s *engine.Stats, emit emitter) { emit(float64(read(s))) }}
}

// level is a gauge without labels.
func level(name, help string, read func(s *engine.Stats) int) family {
	return family{name, help, gauge, nil, func(s *engine.Stats, emit emitter) { emit(float64(read(s))) }}
}

// families are all metrics of the engine and what is below it.
func families() []family {
	var all []family
	for _, part := range [][]family{messageFamilies, proxyFamilies, transactionFamilies, ruleFamilies, engineFamilies, dnsFamilies, authFamilies, socketFamilies(), streamFamilies()} {
		all = append(all, part...)
	}
	return all
}

// messageFamilies count messages by what they are (RFC 3261 §7).
var messageFamilies = []family{
	{"requests_received_total", "Requests received, retransmissions included, by method.", counter, []string{"method"}, func(s *engine.Stats, emit emitter) {
		for m := sip.OtherMethod; int(m) < len(s.Proxy.Requests); m++ {
			if name := methodName(m); name != "" {
				emit(float64(s.Proxy.Requests[m]), name)
			}
		}
	}},
	{"responses_received_total", "Responses received, by class.", counter, []string{"class"}, func(s *engine.Stats, emit emitter) {
		for class := 1; class < len(s.Proxy.Responses); class++ {
			emit(float64(s.Proxy.Responses[class]), strconv.Itoa(class)+"xx")
		}
	}},
	{"requests_refused_total", "Requests that the proxy itself refused, by status code. Only codes that occurred.", counter, []string{"code"}, func(s *engine.Stats, emit emitter) {
		for code, n := range s.Proxy.Statuses {
			if n > 0 {
				emit(float64(n), strconv.Itoa(code))
			}
		}
	}},
	{"messages_dropped_total", "Messages dropped without an answer, by reason.", counter, []string{"reason"}, func(s *engine.Stats, emit emitter) {
		for d := range proxy.Drops {
			emit(float64(s.Proxy.Dropped[d]), proxy.Drop(d).String())
		}
	}},
}

// methodName is the label of a method; "" for a number without one.
func methodName(m sip.Method) string {
	if m == sip.OtherMethod {
		return "other"
	}
	return m.String()
}

// proxyFamilies follow the steps of RFC 3261 §16.
var proxyFamilies = []family{
	count("requests_forwarded_total", "Copies of requests forwarded through a client transaction (RFC 3261 §16.6).", func(s *engine.Stats) uint64 { return s.Proxy.Forwarded }),
	count("responses_forwarded_total", "Responses forwarded upstream (RFC 3261 §16.7).", func(s *engine.Stats) uint64 { return s.Proxy.Relayed }),
	count("trying_sent_total", "100 Trying sent by the proxy (RFC 3261 §17.2.1).", func(s *engine.Stats) uint64 { return s.Proxy.Trying }),
	count("requests_passed_on_total", "Requests forwarded in stateless mode (RFC 3261 §16.11), every copy counted.", func(s *engine.Stats) uint64 { return s.Proxy.PassedOn }),
	count("acks_forwarded_total", "ACKs of 2xx forwarded (RFC 3261 §16.11).", func(s *engine.Stats) uint64 { return s.Proxy.AcksForwarded }),
	count("cancels_matched_total", "CANCELs that matched an INVITE (RFC 3261 §16.10).", func(s *engine.Stats) uint64 { return s.Proxy.Cancels }),
	count("cancels_forwarded_total", "CANCELs that matched nothing and were forwarded (RFC 3261 §16.10).", func(s *engine.Stats) uint64 { return s.Proxy.CancelsRelayed }),
	count("options_answered_total", "OPTIONS to the server itself, answered by it.", func(s *engine.Stats) uint64 { return s.Proxy.Options }),
	count("requests_malformed_total", "Requests answered 400 and the like for their syntax (RFC 3261 §16.3).", func(s *engine.Stats) uint64 { return s.Proxy.Malformed }),
	count("loops_total", "Requests refused because they had been here before (RFC 5393).", func(s *engine.Stats) uint64 { return s.Proxy.Loops }),
	count("routes_refused_total", "Requests refused for a Route from somebody who is not trusted.", func(s *engine.Stats) uint64 { return s.Proxy.RouteRefused }),
	count("destinations_refused_total", "Next hops that the configuration does not allow.", func(s *engine.Stats) uint64 { return s.Proxy.DestinationRefused }),
	count("listener_gone_total", "Requests in a dialog for a listener that is no longer there.", func(s *engine.Stats) uint64 { return s.Proxy.ListenerGone }),
	count("bad_targets_total", "Targets of rules that were no SIP URI.", func(s *engine.Stats) uint64 { return s.Proxy.BadTargets }),
	count("rule_drops_total", "Requests dropped because a rule says so.", func(s *engine.Stats) uint64 { return s.Proxy.RuleDrops }),
	count("redirections_followed_total", "3xx whose Contacts were tried.", func(s *engine.Stats) uint64 { return s.Proxy.Redirected }),
	count("timer_c_total", "Branches ended by timer C (RFC 3261 §16.8).", func(s *engine.Stats) uint64 { return s.Proxy.TimerC }),
	count("ring_limit_total", "Requests ended by the longest time that a call may take to be set up.", func(s *engine.Stats) uint64 { return s.Proxy.RingLimit }),
	count("branch_limit_total", "Targets left untried because a request has all the branches it may.", func(s *engine.Stats) uint64 { return s.Proxy.BranchLimit }),
	count("unreachable_total", "Branches that met a transport error (RFC 3261 §16.9).", func(s *engine.Stats) uint64 { return s.Proxy.Unreachable }),
	count("flows_gone_total", "Branches that waited on a connection that ended.", func(s *engine.Stats) uint64 { return s.Proxy.FlowsGone }),
	count("flows_left_total", "Requests in a dialog sent to the Contact because the connection to their target had ended.", func(s *engine.Stats) uint64 { return s.Proxy.FlowsLeft }),
	count("large_requests_by_tcp_total", "Requests above 1300 bytes sent by TCP instead of UDP (RFC 3261 §18.1.1).", func(s *engine.Stats) uint64 { return s.Proxy.LargeByStream }),
	count("large_requests_by_udp_total", "Of these sent again by UDP, because TCP failed.", func(s *engine.Stats) uint64 { return s.Proxy.LargeByDatagram }),
	level("tcp_refusals", "Places remembered for 10 minutes because TCP failed for a large request.", func(s *engine.Stats) int { return s.Refusals }),
	count("tcp_refusals_forgotten_total", "Of these, and of next hops that had failed, forgotten sooner for want of room.", func(s *engine.Stats) uint64 { return s.Forgotten }),
	level("flows_waited_on", "Connections on which a branch waits because they are its only way.", func(s *engine.Stats) int { return s.Proxy.Followers }),
	count("unanswered_total", "Requests other than INVITE that nobody answered (RFC 4320).", func(s *engine.Stats) uint64 { return s.Proxy.Unanswered }),
	count("overload_refused_total", "Requests refused with 503 because there were as many transactions as there may be.", func(s *engine.Stats) uint64 { return s.Proxy.Full }),
	count("shed_total", "Requests refused with 503 because the server was behind, retransmissions of what is under way left out.", func(s *engine.Stats) uint64 { return s.Proxy.Shed }),
	level("response_contexts", "Proxied requests in memory.", func(s *engine.Stats) int { return s.Proxy.Contexts }),
	level("branches", "Branches of proxied requests in memory.", func(s *engine.Stats) int { return s.Proxy.Branches }),
	level("targets", "Targets of proxied requests in memory.", func(s *engine.Stats) int { return s.Proxy.Targets }),
	level("response_context_bytes", "Bytes of messages kept for proxied requests.", func(s *engine.Stats) int { return s.Proxy.Bytes }),
}

// byKind is a metric of each kind of transaction (RFC 3261 §17).
func byKind(name, help string, kind prometheus.ValueType, read func(k *transaction.KindStats) float64) family {
	return family{name, help, kind, []string{"kind"}, func(s *engine.Stats, emit emitter) {
		for k := range transaction.NumKinds {
			emit(read(&s.Proxy.Transactions.Kinds[k]), k.String())
		}
	}}
}

var transactionFamilies = []family{
	byKind("transactions", "Transactions in memory, by kind; finished ones are kept for 32 s to absorb what is sent again.", gauge, func(k *transaction.KindStats) float64 { return float64(k.Live) }),
	level("transactions_under_way", "Server and client transactions without a final response. The bound is viaduct_transactions_limit.", func(s *engine.Stats) int { return s.Proxy.Transactions.UnderWay }),
	byKind("transactions_started_total", "Transactions started, by kind.", counter, func(k *transaction.KindStats) float64 { return float64(k.Started) }),
	byKind("transaction_timeouts_total", "Transactions ended by timer B, F or H (RFC 3261 §17), and requests nobody answered, by kind.", counter, func(k *transaction.KindStats) float64 { return float64(k.TimedOut) }),
	byKind("transaction_retransmissions_total", "Messages sent again, by kind.", counter, func(k *transaction.KindStats) float64 { return float64(k.Retransmitted) }),
	byKind("transaction_duplicates_total", "Messages received again and absorbed, by kind.", counter, func(k *transaction.KindStats) float64 { return float64(k.Absorbed) }),
	count("transactions_refused_total", "Transactions that found no room.", func(s *engine.Stats) uint64 { return s.Proxy.Transactions.Full }),
	count("transaction_strays_total", "Responses that named a branch of ours but no transaction.", func(s *engine.Stats) uint64 { return s.Proxy.Transactions.Strays }),
	level("transaction_bytes", "Bytes of messages kept for retransmission.", func(s *engine.Stats) int { return s.Proxy.Transactions.Bytes }),
}

var engineFamilies = []family{
	level("in_setup", "Requests without a final response: what a drain waits for.", func(s *engine.Stats) int { return s.InSetup }),
	level("shards", "Shards that transactions are spread over.", func(s *engine.Stats) int { return s.Shards }),
	level("draining", "1 while the server is stopping, else 0.", func(s *engine.Stats) int {
		if s.Draining {
			return 1
		}
		return 0
	}),
	{"overload_shed_total", "Messages not taken on because their reader was behind, by class and by what was done: refused with 503, or dropped because they had waited for 500 ms and were sent again.", counter, []string{"class", "how"}, func(s *engine.Stats, emit emitter) {
		for c := overload.UnderWay; c < overload.Classes; c++ {
			emit(float64(s.Shed.Refused[c]), c.String(), "refused")
			emit(float64(s.Shed.Stale[c]), c.String(), "stale")
		}
	}},
	count("overload_acks_total", "ACKs of requests that were refused because a reader was behind, dropped unread.", func(s *engine.Stats) uint64 { return s.Shed.Acks }),
	count("overload_times_total", "Times that a reader fell behind: its oldest message was older than 20 ms for 100 ms, or the kernel had no room.", func(s *engine.Stats) uint64 { return s.Shed.Times }),
	level("overload_readers", "Readers that are behind and take on nothing new.", func(s *engine.Stats) int { return s.Shed.Behind }),
	count("panics_total", "Steps that failed by a fault of the program and were contained.", func(s *engine.Stats) uint64 { return s.Panics }),
	count("unroutable_total", "Messages for a listener or transport that is not there.", func(s *engine.Stats) uint64 { return s.Unroutable }),
	count("reloads_total", "Configurations that took the place of another.", func(s *engine.Stats) uint64 { return s.Reloads }),
	level("listeners_retiring", "Listeners that a reload removed and that serve what still runs there.", func(s *engine.Stats) int { return s.Retiring }),
	count("failures_untold_total", "Failed sends that were left to the timers because there were too many at once.", func(s *engine.Stats) uint64 { return s.Untold }),
}

// queueFamily tells how long each reader's queue is, in time.
var queueFamily = family{"queue_age_seconds", "How long the oldest datagram of the last turn had waited; 0 when there were no others behind it.", gauge, []string{"listener", "reader"}, func(s *engine.Stats, emit emitter) {
	for i := range s.Listeners {
		for reader := range s.Listeners[i].Sockets {
			emit(float64(s.Listeners[i].Sockets[reader].Age)/1e9, s.Listeners[i].Name, strconv.Itoa(reader))
		}
	}
}}

// socketFamilies are the metrics of each socket, which is to say of each reader.
func socketFamilies() []family {
	type counters = transport.Counters
	all := []family{queueFamily}
	for _, f := range []struct {
		name, help string
		read       func(c *counters) uint64
	}{
		{"datagrams_received_total", "Datagrams received, keepalives included.", func(c *counters) uint64 { return c.Received }},
		{"bytes_received_total", "Bytes received.", func(c *counters) uint64 { return c.ReceivedBytes }},
		{"receive_batches_total", "Turns of a reader that received something.", func(c *counters) uint64 { return c.Batches }},
		{"receive_batches_full_total", "Turns that received as much as they can: the reader is behind.", func(c *counters) uint64 { return c.FullBatches }},
		{"keepalives_total", "Keepalive datagrams (RFC 5626 §4.4.1).", func(c *counters) uint64 { return c.Keepalives }},
		{"stun_bindings_total", "STUN Binding requests answered (RFC 5626 §4.4.2).", func(c *counters) uint64 { return c.Bindings }},
		{"stun_refused_total", "STUN messages that were not answered.", func(c *counters) uint64 { return c.BadBindings }},
		{"kernel_dropped_total", "Datagrams that the kernel dropped because the receive buffer was full.", func(c *counters) uint64 { return c.KernelDrops }},
		{"overload_sieved_total", "Datagrams with new work that the kernel dropped unread, because even to refuse them all would have taken too long.", func(c *counters) uint64 { return c.Sieved }},
		{"receive_errors_total", "Receives that failed.", func(c *counters) uint64 { return c.ReceiveErrors }},
		{"datagrams_sent_total", "Datagrams sent.", func(c *counters) uint64 { return c.Sent }},
		{"bytes_sent_total", "Bytes sent.", func(c *counters) uint64 { return c.SentBytes }},
		{"send_dropped_total", "Messages dropped because the send buffer was full.", func(c *counters) uint64 { return c.DroppedFull }},
		{"send_errors_total", "Messages that could not be sent.", func(c *counters) uint64 { return c.SendErrors }},
		{"icmp_unreachable_total", "ICMP errors about messages sent.", func(c *counters) uint64 { return c.Unreachable }},
		{"icmp_unreachable_lost_total", "ICMP errors beyond the bound of one turn.", func(c *counters) uint64 { return c.UnreachableLost }},
		{"icmp_ignored_total", "ICMP errors that mean nothing for a transaction (RFC 3261 §18.4).", func(c *counters) uint64 { return c.IgnoredICMP }},
	} {
		all = append(all, family{f.name, f.help, counter, []string{"listener", "reader"}, func(s *engine.Stats, emit emitter) {
			for i := range s.Listeners {
				l := &s.Listeners[i]
				for reader := range l.Sockets {
					emit(float64(f.read(&l.Sockets[reader])), l.Name, strconv.Itoa(reader))
				}
			}
		}})
	}
	return all
}
