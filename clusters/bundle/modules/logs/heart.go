package main

import (
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlagent/remotewrite"
	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

const (
	clusterField = "kcloud.cluster"
	shipperField = "kcloud.shipper"
	interval     = 30 * time.Second
)

// beat sends a line of the shipper's own, the first one at once. It is no pod's: no application's page shows it.
func beat(stopped <-chan struct{}) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		send()
		select {
		case <-stopped:
			return
		case <-ticker.C:
		}
	}
}

func send() {
	fields := []logstorage.Field{
		{Name: clusterField, Value: *cluster},
		{Name: shipperField, Value: *node},
		{Name: "_msg", Value: "lines of this node are shipped"},
	}
	rows := logstorage.GetLogRows(nil, nil, nil, nil, "")
	defer logstorage.PutLogRows(rows)
	// The first two say which stream it is.
	rows.MustAdd(logstorage.TenantID{}, time.Now().UnixNano(), fields, 2)
	(&remotewrite.Storage{}).MustAddRows(rows)
}
