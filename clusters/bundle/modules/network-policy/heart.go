package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	coordination "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

const (
	beatEvery    = 10 * time.Second
	leaseSeconds = 30
	apiPatience  = 5 * time.Second
	readPatience = 5 * time.Second
	wayLabel     = "kcloud.local/enforced-by"
	queueList    = "/proc/net/netfilter/nfnetlink_queue"
)

// heart looks at the enforcer every few seconds. While it is well, systemd's watchdog is told and the node's lease is
// renewed: the portal reads the leases, so a node whose policies do not hold shows, whatever the reason.
type heart struct {
	client   kubernetes.Interface
	options  *options
	enforcer enforcer

	lock sync.Mutex
	at   time.Time
	why  string
}

// beat ends with the error of an enforcer that is not well: systemd starts a new one.
func (h *heart) beat(ctx context.Context) error {
	every := time.NewTicker(beatEvery)
	defer every.Stop()
	for first := true; ; first = false {
		if err := h.enforcer.check(ctx); err != nil {
			h.note(err.Error())
			return err
		}
		h.note("")
		told := daemon.SdNotifyWatchdog
		if first {
			told = daemon.SdNotifyReady
		}
		_, _ = daemon.SdNotify(false, told)
		// An API server that is away is no reason to end: what is known goes on being enforced.
		if err := h.renew(ctx); err != nil {
			klog.ErrorS(err, "the lease was not renewed")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

func (h *heart) note(why string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.at, h.why = time.Now(), why
}

// problem is "" while all is well.
func (h *heart) problem() string {
	h.lock.Lock()
	defer h.lock.Unlock()
	switch {
	case h.at.IsZero():
		return "not ready yet"
	case time.Since(h.at) > 3*beatEvery:
		return "the last look was too long ago"
	}
	return h.why
}

func (h *heart) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	leases := h.client.CoordinationV1().Leases(h.options.namespace)
	found, err := leases.Get(ctx, h.options.node, meta.GetOptions{})
	if errors.IsNotFound(err) {
		wanted, err := h.lease(ctx)
		if err != nil {
			return err
		}
		_, err = leases.Create(ctx, wanted, meta.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	h.fill(found)
	_, err = leases.Update(ctx, found, meta.UpdateOptions{})
	return err
}

// lease goes with its node: the API server clears away what belongs to one that is gone.
func (h *heart) lease(ctx context.Context) (*coordination.Lease, error) {
	node, err := h.client.CoreV1().Nodes().Get(ctx, h.options.node, meta.GetOptions{})
	if err != nil {
		return nil, err
	}
	made := &coordination.Lease{ObjectMeta: meta.ObjectMeta{
		Name:            h.options.node,
		OwnerReferences: []meta.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}},
	}}
	h.fill(made)
	return made, nil
}

func (h *heart) fill(lease *coordination.Lease) {
	seconds, now := int32(leaseSeconds), meta.NewMicroTime(time.Now())
	lease.Spec.HolderIdentity = &h.options.node
	lease.Spec.LeaseDurationSeconds = &seconds
	lease.Spec.RenewTime = &now
	if lease.Labels == nil {
		lease.Labels = map[string]string{}
	}
	lease.Labels[wayLabel] = h.enforcer.name()
}

// bound says whether a program takes packets from the queue.
func bound(queue uint) error {
	listed, err := os.ReadFile(queueList)
	if err != nil {
		return err
	}
	if !queueIsBound(string(listed), queue) {
		return fmt.Errorf("nobody takes packets from queue %d", queue)
	}
	return nil
}
