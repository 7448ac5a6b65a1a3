package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

// upstream runs kube-network-policies' unchanged agent and watches it. It is ended by SIGKILL only: told to stop, it
// would take its rules away first, and the node would be open until the next start.
type upstream struct {
	options *options
	child   *exec.Cmd
}

func (u *upstream) name() string { return "nftables" }

func (u *upstream) arguments() []string {
	o := u.options
	return []string{
		"--kubeconfig=" + o.kubeconfig,
		"--hostname-override=" + o.node,
		fmt.Sprintf("--nfqueue-id=%d", o.queue),
		"--metrics-bind-address=" + o.upstreamMetrics,
		"--fail-open=false",
		"--strict-mode=true",
		// containerd 1.6 has no NRI, and the agent does not survive a missing one.
		"--disable-nri=true",
	}
}

func (u *upstream) run(ctx context.Context, ready func()) error {
	// The kernel ends the child with the thread that started it: this one stays.
	runtime.LockOSThread()
	u.child = exec.Command(u.options.upstream, u.arguments()...)
	u.child.Stdout, u.child.Stderr = os.Stdout, os.Stderr
	u.child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := u.child.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- u.child.Wait() }()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for waiting := true; ; {
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended: %v", u.options.upstream, err)
		case <-ctx.Done():
			return nil
		case <-look.C:
			if waiting && u.check(ctx) == nil {
				waiting = false
				look.Stop()
				ready()
			}
		}
	}
}

func (u *upstream) end() {
	if u.child != nil && u.child.Process != nil {
		if err := u.child.Process.Kill(); err != nil {
			klog.V(2).InfoS("the child was gone already", "error", err)
		}
	}
}

func (u *upstream) check(ctx context.Context) error {
	if _, err := tool(ctx, "", "nft", "list", "table", "inet", upstreamTable); err != nil {
		return err
	}
	return bound(u.options.queue)
}
