// Command hello is the sample application: it tells which pod on which node answered.
//
// GET /          who answered, as JSON, or as a page for a browser (Accept: text/html)
// GET /healthz   "ok"; 503 once the process has been told to stop, so that no new request is sent here
//
// Environment: PORT (8080), APP_VERSION (1), and from the downward API POD_NAME, NODE_NAME, POD_NAMESPACE, POD_IP.
package main

import (
	"context"
	"encoding/json"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// answer is what a client gets; the field names are part of the sample's interface.
type answer struct {
	Pod       string `json:"pod"`
	Node      string `json:"node"`
	Namespace string `json:"namespace"`
	Address   string `json:"address"`
	Version   string `json:"version"`
	Hits      uint64 `json:"hits"`
}

var page = template.Must(template.New("hello").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hello from {{.Pod}}</title></head>
<body><h1>Hello from {{.Pod}}</h1>
<dl><dt>Node</dt><dd>{{.Node}}</dd><dt>Namespace</dt><dd>{{.Namespace}}</dd><dt>Address</dt><dd>{{.Address}}</dd>
<dt>Version</dt><dd>{{.Version}}</dd><dt>Requests answered</dt><dd>{{.Hits}}</dd></dl></body></html>
`))

// server counts its requests and knows whether it is on its way out.
type server struct {
	hits     atomic.Uint64
	stopping atomic.Bool
	identity answer
}

func (s *server) hello(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	reply := s.identity
	reply.Hits = s.hits.Add(1)
	// An answer names one pod at one moment: a cache in between would hide the load balancing it shows.
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, reply)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	if s.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.hello)
	mux.HandleFunc("/healthz", s.health)
	return mux
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func identity() answer {
	hostname, _ := os.Hostname()
	return answer{
		Pod:       setting("POD_NAME", hostname),
		Node:      setting("NODE_NAME", "unknown"),
		Namespace: setting("POD_NAMESPACE", "unknown"),
		Address:   setting("POD_IP", "unknown"),
		Version:   setting("APP_VERSION", "1"),
	}
}

func main() {
	state := &server{identity: identity()}
	listener := &http.Server{
		Addr:              ":" + setting("PORT", "8080"),
		Handler:           state.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
	told, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	failed := make(chan error, 1)
	go func() { failed <- listener.ListenAndServe() }()
	select {
	case err := <-failed:
		log.Fatalf("cannot listen on %s: %v; set PORT to a free port", listener.Addr, err)
	case <-told.Done():
	}
	state.stopping.Store(true)
	// What is being answered may end; half a second keeps the whole stop within the promised one.
	soon, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if listener.Shutdown(soon) != nil {
		_ = listener.Close()
	}
}
