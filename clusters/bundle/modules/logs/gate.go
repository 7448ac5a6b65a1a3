package main

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

const bearer = "Bearer "

// gate is the API as the collector sees it: one node, its pods, and namespaces; for nobody without the token.
type gate struct {
	node  string
	token string
	api   http.Handler
}

type account struct {
	Clusters []struct {
		Cluster struct {
			Server    string `json:"server"`
			Authority []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		} `json:"user"`
	} `json:"users"`
}

func newGate(path, node string) (*gate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found account
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(found.Clusters) != 1 || len(found.Users) != 1 {
		return nil, fmt.Errorf("%s: one cluster and one user are wanted", path)
	}
	server, err := url.Parse(found.Clusters[0].Cluster.Server)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(found.Clusters[0].Cluster.Authority) {
		return nil, errors.New(path + ": the authority is no certificate")
	}
	pair, err := tls.X509KeyPair(found.Users[0].User.Certificate, found.Users[0].User.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(server)
			request.Out.Header.Del("Authorization")
		},
		// A watch is a stream: what comes is passed on at once.
		FlushInterval: -1,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				RootCAs: authorities, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
			},
			ForceAttemptHTTP2: true,
		},
	}
	return &gate{node: node, token: hex.EncodeToString(secret), api: proxy}, nil
}

// kubeconfig is what the collector reads to come here.
func (g *gate) kubeconfig(address string) []byte {
	return fmt.Appendf(nil, `{"clusters": [{"name": "gate", "cluster": {"server": "http://%s"}}],
 "users": [{"name": "gate", "user": {"token": %q}}],
 "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
 "current-context": "gate"}
`, address, g.token)
}

func (g *gate) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	given := []byte(request.Header.Get("Authorization"))
	if subtle.ConstantTimeCompare(given, []byte(bearer+g.token)) != 1 {
		http.Error(answer, "not for you", http.StatusUnauthorized)
		return
	}
	own := map[string]any{"metadata": map[string]string{"name": g.node}}
	switch path := request.URL.Path; {
	case request.Method != http.MethodGet:
		http.Error(answer, "nothing is changed here", http.StatusMethodNotAllowed)
	case path == "/api/v1/nodes":
		tell(answer, map[string]any{"items": []any{own}})
	case path == "/api/v1/nodes/"+g.node:
		tell(answer, own)
	case path == "/api/v1/pods" && request.URL.Query().Get("fieldSelector") == "spec.nodeName="+g.node,
		path == "/api/v1/namespaces":
		g.api.ServeHTTP(answer, request)
	default:
		http.NotFound(answer, request)
	}
}

func tell(answer http.ResponseWriter, value any) {
	answer.Header().Set("Content-Type", "application/json")
	json.NewEncoder(answer).Encode(value)
}
