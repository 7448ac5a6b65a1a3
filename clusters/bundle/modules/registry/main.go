// The platform's image registry: CNCF distribution with file storage, and the portal's token address on its own port.
//
// A client that is told to fetch a token goes to the address it came by (auth.token.autoredirect), so nodes, people
// and the portal itself need to reach one port only, under one certificate. /registry/token is passed on to the portal
// (KCLOUD_REGISTRY_PORTAL), together with the client's address and a proof that it was this program that saw it.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

const (
	tokenPath    = "/registry/token"
	clientHeader = "X-Kcloud-Registry-Client"
	proofHeader  = "X-Kcloud-Registry-Proof"
)

func main() {
	if address := os.Getenv("KCLOUD_REGISTRY_PORTAL"); address != "" {
		portal, err := url.Parse(address)
		if err != nil || portal.Host == "" {
			fmt.Fprintf(os.Stderr, "KCLOUD_REGISTRY_PORTAL is not an address: %q\n", address)
			os.Exit(2)
		}
		proof := os.Getenv("KCLOUD_REGISTRY_PROOF")
		registry.RegisterHandler(func(_ *configuration.Configuration, next http.Handler) http.Handler {
			return withTokens(next, portal, proof)
		})
	}
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}

// withTokens answers the token address by asking the portal, and everything else by `next`.
func withTokens(next http.Handler, portal *url.URL, proof string) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(portal)
			request.Out.Host = portal.Host
			for name := range request.Out.Header {
				if strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Kcloud-") {
					request.Out.Header.Del(name)
				}
			}
			request.Out.Header.Set(clientHeader, address(request.In.RemoteAddr))
			request.Out.Header.Set(proofHeader, proof)
		},
		Transport: &http.Transport{ResponseHeaderTimeout: 20 * time.Second, MaxIdleConnsPerHost: 8},
		ErrorHandler: func(answer http.ResponseWriter, _ *http.Request, _ error) {
			answer.Header().Set("Content-Type", "application/json")
			answer.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(answer, `{"errors":[{"code":"UNAVAILABLE","message":"the portal does not answer"}]}`)
		},
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		// The certificate is for this port: nobody may say that the client came by plain HTTP.
		request.Header.Del("X-Forwarded-Proto")
		if request.URL.Path == tokenPath {
			request.Body = http.MaxBytesReader(answer, request.Body, 64<<10)
			proxy.ServeHTTP(answer, request)
			return
		}
		next.ServeHTTP(answer, request)
	})
}

func address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
