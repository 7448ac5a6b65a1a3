package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// A watch ends by itself after this long; a connection that died without a word is found sooner, by pings.
const watchSeconds = "600"

var errGone = errors.New("the list is too old to go on from")

// api reads pods as one account of the cluster.
type api struct {
	server *url.URL
	client *http.Client
}

type container struct {
	Name string `json:"name"`
	ID   string `json:"containerID"`
}

type pod struct {
	Metadata struct {
		Name            string            `json:"name"`
		Namespace       string            `json:"namespace"`
		Labels          map[string]string `json:"labels"`
		ResourceVersion string            `json:"resourceVersion"`
	} `json:"metadata"`
	Status struct {
		Address    string      `json:"podIP"`
		Containers []container `json:"containerStatuses"`
		Before     []container `json:"initContainerStatuses"`
		Ephemeral  []container `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

func newAPI(path string) (*api, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found struct {
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
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs: authorities, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		},
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	}
	return &api{server, &http.Client{Transport: transport}}, nil
}

// list answers the node's pods, and the version from which a watch goes on.
func (a *api) list(ctx context.Context) ([]pod, string, error) {
	body, err := a.get(ctx, url.Values{})
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	var found struct {
		Items    []pod `json:"items"`
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	err = json.NewDecoder(body).Decode(&found)
	return found.Items, found.Metadata.ResourceVersion, err
}

// watch hands on pods that came or changed, until the stream ends; it answers the version to go on from.
func (a *api) watch(ctx context.Context, version string, seen func(pod)) (string, error) {
	body, err := a.get(ctx, url.Values{
		"watch": {"true"}, "resourceVersion": {version}, "timeoutSeconds": {watchSeconds}, "allowWatchBookmarks": {"true"},
	})
	if err != nil {
		return version, err
	}
	defer body.Close()
	for decoder := json.NewDecoder(body); ; {
		var event struct {
			Type   string `json:"type"`
			Object pod    `json:"object"`
		}
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return version, nil
		} else if err != nil {
			return version, err
		}
		switch event.Type {
		case "ERROR":
			return version, errGone
		case "ADDED", "MODIFIED":
			seen(event.Object)
		}
		version = event.Object.Metadata.ResourceVersion
	}
}

func (a *api) get(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	query.Set("fieldSelector", "spec.nodeName="+*node)
	place := *a.server
	place.Path, place.RawQuery = "/api/v1/pods", query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusGone {
		return nil, errGone
	}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
	return nil, fmt.Errorf("the API answered %d: %s", answer.StatusCode, said)
}
