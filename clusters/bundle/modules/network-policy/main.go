// Command kcloud-network-policy makes NetworkPolicy hold for the pods of one node, and says so.
//
// Whether a connection is allowed is decided by kube-network-policies' own packages. What is ours is how packets reach
// the decision: kernels whose nftables can queue get the project's unchanged agent as a child; others an iptables
// NFQUEUE rule and the loop in queue.go. Either way the node fails closed: while nobody decides, nothing new passes.
package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// options are what the unit file says.
type options struct {
	kubeconfig, node, listen  string
	podRange, clusterRange    string
	upstream, upstreamMetrics string
	bridge, namespace         string
	queue                     uint
	own, cluster              *net.IPNet
}

func parse() (*options, error) {
	o := &options{}
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server")
	flag.StringVar(&o.node, "node", "", "name of this node")
	flag.StringVar(&o.podRange, "pod-cidr", "", "addresses of this node's pods")
	flag.StringVar(&o.clusterRange, "cluster-cidr", "", "addresses of all pods")
	flag.StringVar(&o.bridge, "bridge", "cni0", "the bridge this node's pods are on")
	flag.UintVar(&o.queue, "queue", 100, "number of the netfilter queue")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:10251", "where health and metrics are told")
	flag.StringVar(&o.namespace, "lease-namespace", "kcloud-network-policy", "where this node's lease is renewed")
	flag.StringVar(&o.upstream, "upstream", "", "the program for kernels whose nftables can queue; empty: never")
	flag.StringVar(&o.upstreamMetrics, "upstream-metrics", "127.0.0.1:10252", "where that program tells its metrics")
	klog.InitFlags(nil)
	flag.Parse()
	if o.node == "" || o.queue > 65535 {
		return nil, errors.New("--node is needed, and --queue is at most 65535")
	}
	var err error
	if _, o.own, err = net.ParseCIDR(o.podRange); err != nil {
		return nil, err
	}
	_, o.cluster, err = net.ParseCIDR(o.clusterRange)
	return o, err
}

// enforcer is one of the two ways: run works until it is told to stop or something is wrong beyond repair;
// check repairs what others may have taken away, and says what is not as it must be; end lets go, leaving the node closed.
type enforcer interface {
	name() string
	run(ctx context.Context, ready func()) error
	check(ctx context.Context) error
	end()
}

func main() {
	o, err := parse()
	if err == nil {
		err = work(o)
	}
	if err != nil {
		klog.ErrorS(err, "the network policy agent ends")
		klog.Flush()
		os.Exit(1)
	}
}

func work(o *options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dropLinkLocal(ctx, o.bridge); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.UserAgent = "kcloud-network-policy"
	// Leases and their owner are small and the same for both ways: JSON there, protobuf for what is watched.
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	watching, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	chosen := choose(ctx, o, watching)
	klog.InfoS("enforcing network policies", "node", o.node, "by", chosen.name())
	pulse := &heart{client: client, options: o, enforcer: chosen}
	failed := make(chan error, 3)
	go func() { failed <- serve(ctx, o.listen, pulse) }()
	go func() { failed <- chosen.run(ctx, func() { go func() { failed <- pulse.beat(ctx) }() }) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	stop()
	chosen.end()
	return err
}

func choose(ctx context.Context, o *options, client kubernetes.Interface) enforcer {
	if o.upstream != "" && nftablesCanQueue(ctx, o.queue) {
		return &upstream{options: o}
	}
	return newQueue(o, client)
}

// serve tells on loopback whether all is well (for the deployment, which waits) and how much was decided.
func serve(ctx context.Context, address string, pulse *heart) error {
	told := http.NewServeMux()
	told.Handle("/metrics", promhttp.Handler())
	told.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		if why := pulse.problem(); why != "" {
			http.Error(answer, why, http.StatusServiceUnavailable)
			return
		}
		_, _ = answer.Write([]byte("ok\n"))
	})
	server := &http.Server{Addr: address, Handler: told, ReadHeaderTimeout: readPatience}
	go func() { <-ctx.Done(); _ = server.Close() }()
	return server.ListenAndServe()
}
