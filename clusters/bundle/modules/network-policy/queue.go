package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	nfnetlink "github.com/mdlayher/netlink"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/network"
)

const (
	headerBytes   = 128
	mostQueued    = 4096
	mostWaiting   = 256
	unknownFor    = 2 * time.Second
	lookAgain     = 100 * time.Millisecond
	verdictWithin = 100 * time.Millisecond
)

var decided = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "kcloud_network_policy_packets_total",
	Help: "Packets of new connections, by what was decided.",
}, []string{"verdict"})

// packetQueue takes packets from an NFQUEUE rule and answers what policies say of them.
//
// A pod that has only just started sends, and is asked, before its address is known here. Such packets wait (a little,
// and few at a time) instead of being lost: a resolver would not ask again for seconds.
type packetQueue struct {
	options  *options
	policies *policies

	lock    sync.Mutex
	waiting []waitingPacket
	socket  *nfqueue.Nfqueue
}

type waitingPacket struct {
	id     uint32
	packet network.Packet
	until  time.Time
}

func newQueue(o *options, client kubernetes.Interface) *packetQueue {
	return &packetQueue{options: o, policies: newPolicies(o, client)}
}

func (q *packetQueue) name() string { return "iptables" }

// run puts the rules in first: from here on nothing new passes until it is decided.
func (q *packetQueue) run(ctx context.Context, ready func()) error {
	if err := q.install(ctx); err != nil {
		return err
	}
	if err := q.policies.start(ctx); err != nil {
		return err
	}
	socket, err := nfqueue.Open(&nfqueue.Config{
		NfQueue:      uint16(q.options.queue),
		Flags:        nfqueue.NfQaCfgFlagGSO,
		MaxPacketLen: headerBytes,
		MaxQueueLen:  mostQueued,
		Copymode:     nfqueue.NfQnlCopyPacket,
		WriteTimeout: verdictWithin,
	})
	if err != nil {
		return err
	}
	q.socket = socket
	// A burst that does not fit the socket costs its packets, not the socket.
	if err := socket.SetOption(nfnetlink.NoENOBUFS, true); err != nil {
		klog.ErrorS(err, "the queue may report lost packets as errors")
	}
	lost := make(chan error, 1)
	if err := socket.RegisterWithErrorFunc(ctx, q.take, func(err error) int { return stumbled(ctx, err, lost) }); err != nil {
		return err
	}
	ready()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			return err
		case <-q.policies.changed:
		case <-again.C:
		}
		q.review(time.Now())
	}
}

// stumbled goes on after what passes by itself and ends the loop, and with it the program, after anything else.
// ENOENT is the kernel's answer to a verdict on a packet that is gone: its rule was taken away while it waited.
func stumbled(ctx context.Context, err error, lost chan<- error) int {
	if ctx.Err() == nil && errors.Is(err, syscall.ENOENT) {
		return 0
	}
	var told *nfnetlink.OpError
	if ctx.Err() == nil && errors.As(err, &told) && (told.Timeout() || told.Temporary()) {
		return 0
	}
	if ctx.Err() == nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		lost <- err
	}
	return 1
}

// end leaves the rules where they are: without a reader the kernel drops what comes.
func (q *packetQueue) end() {
	if q.socket != nil {
		_ = q.socket.Close()
	}
}

func (q *packetQueue) check(ctx context.Context) error {
	if err := q.install(ctx); err != nil {
		return err
	}
	return bound(q.options.queue)
}

func (q *packetQueue) install(ctx context.Context) error {
	o := q.options
	return install(ctx, "iptables", o.bridge, queueRules(o.bridge, o.own.String(), o.queue))
}

// take decides one packet, or lets it wait.
func (q *packetQueue) take(told nfqueue.Attribute) int {
	if told.PacketID == nil || told.Payload == nil {
		return 0
	}
	packet, err := network.ParsePacket(*told.Payload)
	if err != nil {
		q.answer(*told.PacketID, false)
		return 0
	}
	packet.ID, packet.Payload = *told.PacketID, nil
	if !q.policies.knowsBoth(&packet) && q.keep(waitingPacket{packet.ID, packet, time.Now().Add(unknownFor)}) {
		return 0
	}
	q.answer(packet.ID, q.policies.allow(&packet))
	return 0
}

// keep lets a packet wait unless too many do: then whoever floods the node with unknown addresses gains nothing.
func (q *packetQueue) keep(one waitingPacket) bool {
	q.lock.Lock()
	defer q.lock.Unlock()
	if len(q.waiting) >= mostWaiting {
		return false
	}
	q.waiting = append(q.waiting, one)
	return true
}

// review answers waiting packets whose pods are known by now, and those that have waited long enough.
func (q *packetQueue) review(now time.Time) {
	q.lock.Lock()
	var due []waitingPacket
	rest := q.waiting[:0]
	for _, one := range q.waiting {
		if q.policies.knowsBoth(&one.packet) || now.After(one.until) {
			due = append(due, one)
		} else {
			rest = append(rest, one)
		}
	}
	q.waiting = rest
	q.lock.Unlock()
	for _, one := range due {
		q.answer(one.id, q.policies.allow(&one.packet))
	}
}

func (q *packetQueue) answer(id uint32, allowed bool) {
	verdict, word := nfqueue.NfDrop, "drop"
	if allowed {
		verdict, word = nfqueue.NfAccept, "accept"
	}
	decided.WithLabelValues(word).Inc()
	if err := q.socket.SetVerdict(id, verdict); err != nil {
		klog.ErrorS(err, "a verdict was not taken", "verdict", word)
	}
}
