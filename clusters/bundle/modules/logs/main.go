// The shipper of one node's log lines: what its pods write goes to VictoriaLogs, with where it comes from.
//
// Files are followed and lines are sent by VictoriaLogs' own agent, as libraries (tail, remotewrite). Its collector for
// Kubernetes is not used: outside a pod it takes the first node of the cluster for its own, and it reads a line of JSON
// as fields, by which a pod could give its lines another pod's name. Here a line is text (lines.go).
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlagent/remotewrite"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/procutil"
)

var (
	node       = flag.String("node", "", "name of this node")
	cluster    = flag.String("cluster", "", "name of the cluster, as the portal knows it")
	kubeconfig = flag.String("kubeconfig", "", "whose account lists pods; a file of one cluster and one user, JSON")
	data       = flag.String("data", "", "folder for what was read and could not be sent yet")
	listen     = flag.String("listen", "127.0.0.1:10253", "where /healthz answers once pods are known")
	files      = flag.String("files", "/var/log/containers", "where the kubelet keeps the lines of containers")
)

func main() {
	flag.CommandLine.SetOutput(os.Stdout)
	flag.Parse()
	buildinfo.Init()
	remotewrite.InitSecretFlags()
	logger.Init()
	if err := run(); err != nil {
		logger.Fatalf("%s", err)
	}
}

func run() error {
	if *node == "" || *cluster == "" || *kubeconfig == "" || *data == "" {
		return errors.New("-node, -cluster, -kubeconfig and -data are needed")
	}
	api, err := newAPI(*kubeconfig)
	if err != nil {
		return err
	}
	// Asked for before anything is read: a second shipper on the node ends here.
	health, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	remotewrite.Init(*data)
	found := newCollector(api)
	go serve(health, found)
	stopped := make(chan struct{})
	go beat(stopped)
	found.start()
	procutil.WaitForSigterm()
	close(stopped)
	found.stop()
	remotewrite.Stop()
	return nil
}

func serve(listener net.Listener, found *collector) {
	err := http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		switch {
		case request.URL.Path != "/healthz":
			http.NotFound(answer, request)
		case !found.ready.Load():
			http.Error(answer, "the API has not told of this node's pods yet", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(answer, "ok")
		}
	}))
	logger.Fatalf("cannot serve %s: %s", listener.Addr(), err)
}
