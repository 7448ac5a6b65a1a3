package main

import (
	"bytes"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlagent/remotewrite"
	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

const (
	clusterField = "kcloud.cluster"
	shipperField = "kcloud.shipper"
	labelField   = "kubernetes.pod_labels."
	// A longer line is cut: the store takes no more than 2 MiB with everything.
	longestLine = 1 << 20
	interval    = 30 * time.Second
	streamParts = 3
)

// lines makes rows of one container's lines: "TIME STREAM P|F TEXT", as the runtime writes them (P: to be continued).
// What a pod writes is text and nothing else: no field comes from it.
type lines struct {
	fields []logstorage.Field
	rows   *logstorage.LogRows
	begun  map[string][]byte
}

func newLines(found pod, from container) *lines {
	fields := []logstorage.Field{
		// The first three are the stream.
		{Name: "kubernetes.container_name", Value: from.Name},
		{Name: "kubernetes.pod_name", Value: found.Metadata.Name},
		{Name: "kubernetes.pod_namespace", Value: found.Metadata.Namespace},
		{Name: "kubernetes.pod_node_name", Value: *node},
		{Name: "kubernetes.container_id", Value: from.ID},
		{Name: clusterField, Value: *cluster},
	}
	for name, value := range found.Metadata.Labels {
		fields = append(fields, logstorage.Field{Name: labelField + name, Value: value})
	}
	return &lines{fields, logstorage.GetLogRows(nil, nil, nil, nil, ""), map[string][]byte{}}
}

// TryAddLine answers whether reading may go on from here after a restart.
func (l *lines) TryAddLine(line []byte) bool {
	stamp, rest, _ := bytes.Cut(line, []byte(" "))
	from, rest, _ := bytes.Cut(rest, []byte(" "))
	kind, text, is := bytes.Cut(rest, []byte(" "))
	at, dated := logstorage.TryParseTimestampRFC3339Nano(string(stamp))
	if !is || !dated {
		return true // Not the runtime's: the node lost power in the middle of a line.
	}
	stream := string(from)
	if begun, open := l.begun[stream]; open || string(kind) == "P" {
		text = append(begun, text[:min(len(text), longestLine-len(begun))]...)
	}
	if string(kind) == "P" {
		l.begun[stream] = text
		return false
	}
	delete(l.begun, stream)
	if len(text) > 0 {
		send(l.rows, at, append(l.fields[:len(l.fields):len(l.fields)],
			logstorage.Field{Name: "_msg", Value: string(text)}), streamParts)
	}
	return len(l.begun) == 0
}

// Flush has nothing to do: what is begun waits for its end.
func (l *lines) Flush() {}

// MustClose is called when the file is gone.
func (l *lines) MustClose() { logstorage.PutLogRows(l.rows) }

// beat sends a line of the shipper's own, the first one at once: by it the portal sees that lines arrive. It is no
// pod's, so no application's page shows it.
func beat(stopped <-chan struct{}) {
	rows := logstorage.GetLogRows(nil, nil, nil, nil, "")
	defer logstorage.PutLogRows(rows)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		send(rows, time.Now().UnixNano(), []logstorage.Field{
			{Name: clusterField, Value: *cluster},
			{Name: shipperField, Value: *node},
			{Name: "_msg", Value: "lines of this node are shipped"},
		}, 2)
		select {
		case <-stopped:
			return
		case <-ticker.C:
		}
	}
}

func send(rows *logstorage.LogRows, at int64, fields []logstorage.Field, stream int) {
	rows.MustAdd(logstorage.TenantID{}, at, fields, stream)
	(&remotewrite.Storage{}).MustAddRows(rows)
	rows.ResetKeepSettings()
}
