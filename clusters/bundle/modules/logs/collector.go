package main

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlagent/tail"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"
)

const (
	checkpoints               = "checkpoints.json"
	shortestWait, longestWait = 200 * time.Millisecond, 10 * time.Second
)

var containerID = regexp.MustCompile(`^[a-z0-9]+$`)

// collector follows the files of every container of this node's pods. It starts from where it was when it ended.
type collector struct {
	api    *api
	tailer *tail.Tailer
	ready  atomic.Bool
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newCollector(from *api) *collector {
	return &collector{api: from, tailer: tail.Start(filepath.Join(*data, checkpoints))}
}

func (c *collector) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.run(ctx) })
}

func (c *collector) stop() {
	c.cancel()
	c.done.Wait()
	c.tailer.Stop()
}

func (c *collector) run(ctx context.Context) {
	version, wait := "", shortestWait
	for ctx.Err() == nil {
		before := version
		version = c.look(ctx, version)
		if version != "" && version != before {
			wait = shortestWait
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait = min(wait*2, longestWait)
		}
	}
}

// look lists or, when the version is known, watches; it answers the version to go on from, "" to list again.
func (c *collector) look(ctx context.Context, version string) string {
	var err error
	if version == "" {
		var pods []pod
		if pods, version, err = c.api.list(ctx); err == nil {
			for _, each := range pods {
				c.follow(each)
			}
			if !c.ready.Swap(true) {
				c.tailer.CleanupCheckpoints()
			}
			return version
		}
		version = ""
	} else {
		version, err = c.api.watch(ctx, version, c.follow)
	}
	if errors.Is(err, errGone) {
		return ""
	}
	if err != nil && ctx.Err() == nil {
		logger.Errorf("pods of this node cannot be read: %s", err)
	}
	return version
}

func (c *collector) follow(found pod) {
	for _, each := range [][]container{found.Status.Containers, found.Status.Before, found.Status.Ephemeral} {
		for _, one := range each {
			_, id, known := strings.Cut(one.ID, "://")
			if !known || !containerID.MatchString(id) {
				continue // It has not been started.
			}
			name := found.Metadata.Name + "_" + found.Metadata.Namespace + "_" + one.Name + "-" + id + ".log"
			path := filepath.Join(*files, filepath.Base(name))
			if !c.tailer.IsTailing(path) {
				c.tailer.StartRead(path, newLines(found, one))
			}
		}
	}
}
