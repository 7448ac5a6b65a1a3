// The shipper of one node's log lines: VictoriaLogs' own collector for Kubernetes as a service of the node.
//
// Outside a pod the collector reads a kubeconfig and takes the first node of the cluster for its own. So it is given an
// API of its own (gate.go), which knows this node alone and lets nothing else through. It writes a line of its own now
// and then (heart.go), by which the portal sees that lines arrive. Flags of the collector are those of vlagent.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlagent/kubernetescollector"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlagent/remotewrite"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/procutil"
)

var (
	node       = flag.String("node", "", "name of this node")
	cluster    = flag.String("cluster", "", "name of the cluster, as the portal knows it")
	kubeconfig = flag.String("kubeconfig", "", "whose account reads pods; a file of one cluster and one user, JSON")
	data       = flag.String("data", "", "folder for what was read and could not be sent yet")
	listen     = flag.String("listen", "127.0.0.1:10253", "where /healthz answers")
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
	// In a pod the collector would look for its own way; the service never is one.
	os.Unsetenv("KUBERNETES_SERVICE_HOST")
	extra, err := json.Marshal(map[string]string{clusterField: *cluster})
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"kubernetesCollector":             "true",
		"kubernetesCollector.extraFields": string(extra),
	} {
		if err := flag.Set(name, value); err != nil {
			return err
		}
	}
	// Asked for before anything is read: a second shipper on the node ends here.
	health, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	remotewrite.Init(*data)
	if err := collect(*data); err != nil {
		return err
	}
	stopped := make(chan struct{})
	go beat(stopped)
	go serve(health, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/healthz" {
			http.NotFound(answer, request)
			return
		}
		fmt.Fprintln(answer, "ok")
	}))
	logger.Infof("lines of node %q go on their way", *node)
	procutil.WaitForSigterm()
	close(stopped)
	kubernetescollector.Stop()
	remotewrite.Stop()
	return nil
}

// collect starts the collector with the gate as its API.
func collect(folder string) error {
	made, err := newGate(*kubeconfig, *node)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go serve(listener, made)
	path := filepath.Join(folder, "gate.json")
	if err := os.WriteFile(path, made.kubeconfig(listener.Addr().String()), 0o600); err != nil {
		return err
	}
	defer os.Remove(path)
	os.Setenv("KUBECONFIG", path)
	kubernetescollector.Init(folder)
	return nil
}

func serve(listener net.Listener, handler http.Handler) {
	if err := http.Serve(listener, handler); err != nil {
		logger.Fatalf("cannot serve %s: %s", listener.Addr(), err)
	}
}
