package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/dataplane"
	"sigs.k8s.io/kube-network-policies/pkg/network"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	"sigs.k8s.io/kube-network-policies/pkg/podinfo"
	"sigs.k8s.io/kube-network-policies/pkg/runner"
)

const (
	byAddress = "kcloud-address"
	// Connections are looked through at once after a change, and at most this often.
	cutSpacing, cutRetry, cutAnyway = time.Second, 2 * time.Second, 10 * time.Minute
)

// policies knows pods, namespaces and policies as the API server tells them, and decides by the project's engine.
type policies struct {
	options *options
	factory informers.SharedInformerFactory
	pods    cache.Indexer
	engine  *networkpolicy.PolicyEngine
	cutter  *runner.BoundedFrequencyRunner
	// changed gets a word when a pod has become known.
	changed chan struct{}
	context context.Context
}

func newPolicies(o *options, client kubernetes.Interface) *policies {
	p := &policies{options: o, factory: informers.NewSharedInformerFactory(client, 0), changed: make(chan struct{}, 1)}
	namespaces, pods := p.factory.Core().V1().Namespaces(), p.factory.Core().V1().Pods()
	_ = pods.Informer().SetTransform(slim)
	_ = pods.Informer().AddIndexers(cache.Indexers{byAddress: addressesOf})
	p.pods = pods.Informer().GetIndexer()
	info := podinfo.NewInformerProvider(pods, namespaces, nil, []podinfo.IPResolver{p})
	standard := networkpolicy.NewStandardNetworkPolicy(o.node, namespaces, pods, p.factory.Networking().V1().NetworkPolicies())
	p.engine = networkpolicy.NewPolicyEngine(info, []api.PolicyEvaluator{standard})
	p.cutter = runner.NewBoundedFrequencyRunner("connections", p.cut, cutSpacing, cutRetry, cutAnyway)
	p.engine.SetDataplaneSyncCallbacks(p.cutter.Run)
	_, _ = pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { p.wake() },
		UpdateFunc: func(before, now any) { p.wake(); p.relabelled(before, now) },
	})
	_, _ = namespaces.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: p.relabelled})
	return p
}

// slim leaves out what is large and not needed here.
func slim(object any) (any, error) {
	if pod, ok := object.(*core.Pod); ok {
		pod.ManagedFields, pod.Annotations = nil, nil
	}
	return object, nil
}

// addressesOf leaves out pods that have ended: the API keeps them with an address that another pod may have by now.
func addressesOf(object any) ([]string, error) {
	pod, ok := object.(*core.Pod)
	if !ok || pod.Spec.HostNetwork || pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed {
		return nil, nil
	}
	found := make([]string, 0, len(pod.Status.PodIPs))
	for _, each := range pod.Status.PodIPs {
		found = append(found, each.IP)
	}
	return found, nil
}

// LookupPod is how the engine finds the pod behind an address.
func (p *policies) LookupPod(address string) (string, bool) {
	found, err := p.pods.ByIndex(byAddress, address)
	if err != nil || len(found) == 0 {
		return "", false
	}
	key, err := cache.MetaNamespaceKeyFunc(found[0])
	return key, err == nil
}

func (p *policies) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// relabelled has connections looked through again: what other labels select may be allowed no more.
func (p *policies) relabelled(before, now any) {
	if !maps.Equal(labelsOf(before), labelsOf(now)) {
		p.cutter.Run()
	}
}

func labelsOf(object any) map[string]string {
	if labelled, ok := object.(interface{ GetLabels() map[string]string }); ok {
		return labelled.GetLabels()
	}
	return nil
}

// start returns when everything is known once.
func (p *policies) start(ctx context.Context) error {
	p.context = ctx
	p.factory.Start(ctx.Done())
	for kind, known := range p.factory.WaitForCacheSync(ctx.Done()) {
		if !known {
			return errors.New("stopped before all was known of " + kind.String())
		}
	}
	go p.cutter.Loop(ctx.Done())
	p.cutter.Run()
	return nil
}

// knowsBoth is false while a packet comes from an address of the pod network that no pod is known to have, or goes to
// one of this node's; pods of other nodes are their nodes' business.
func (p *policies) knowsBoth(packet *network.Packet) bool {
	return p.accountsFor(p.options.cluster, packet.SrcIP) && p.accountsFor(p.options.own, packet.DstIP)
}

func (p *policies) accountsFor(pods *net.IPNet, address net.IP) bool {
	return !pods.Contains(address) || isGateway(address) || p.isKnown(address)
}

func (p *policies) isKnown(address net.IP) bool {
	_, known := p.LookupPod(address.String())
	return known
}

// isGateway: the bridge itself has the first address of a node's range; what it sends is the host's.
func isGateway(address net.IP) bool {
	four := address.To4()
	return four != nil && four[3] == 1
}

// allow is the verdict. Nothing passes from or to an address of this node's range that no known pod has: a pod that
// is to be protected must not be open until the API knows it.
func (p *policies) allow(packet *network.Packet) bool {
	for _, address := range []net.IP{packet.SrcIP, packet.DstIP} {
		if !p.accountsFor(p.options.own, address) {
			return false
		}
	}
	allowed, err := p.engine.EvaluatePacket(p.context, packet)
	return err == nil && allowed
}

// cut forgets connections that are not allowed any more: their next packet is judged like that of a new one.
func (p *policies) cut() error {
	own, err := hostAddresses()
	if err != nil {
		return err
	}
	count, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, forbidden{p, own})
	if count > 0 {
		klog.InfoS("cut connections that are not allowed any more", "count", count)
	}
	return err
}

type forbidden struct {
	policies *policies
	own      map[string]bool
}

// MatchConntrackFlow: what this host itself began (probes of the kubelet) is always allowed, as the API demands.
func (f forbidden) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if f.own[flow.Forward.SrcIP.String()] {
		return false
	}
	packet := dataplane.PacketFromFlow(flow)
	if packet == nil || !f.concernsPods(packet) {
		return false
	}
	allowed, err := f.policies.engine.EvaluatePacket(f.policies.context, packet)
	return err == nil && !allowed
}

func (f forbidden) concernsPods(packet *network.Packet) bool {
	own := f.policies.options.own
	return own.Contains(packet.SrcIP) || own.Contains(packet.DstIP)
}

func hostAddresses() (map[string]bool, error) {
	listed, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool, len(listed))
	for _, each := range listed {
		if network, ok := each.(*net.IPNet); ok {
			found[network.IP.String()] = true
		}
	}
	return found, nil
}
