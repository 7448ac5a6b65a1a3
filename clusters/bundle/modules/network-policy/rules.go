package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Packet rules, in the mangle table: after a service's address was translated, before the sender's is hidden, and out
// of the way of the service proxy's tables.
const (
	chain         = "KCLOUD-POLICY"
	toolPatience  = 20 * time.Second
	upstreamTable = "kube-network-policies"
)

// judged are the packets that a decision is wanted for: whatever does not belong to a connection that was allowed.
// Not only NEW ones: a packet the kernel calls INVALID would pass by otherwise.
var judged = []string{"-m", "conntrack", "!", "--ctstate", "RELATED,ESTABLISHED", "-j", chain}

// queueRules is the chain: everything from this node's pods and everything to them goes to the queue. Without a
// program behind the queue the kernel drops it.
func queueRules(bridge, podRange string, queue uint) []string {
	return []string{
		fmt.Sprintf("-A %s -i %s -j NFQUEUE --queue-num %d", chain, bridge, queue),
		fmt.Sprintf("-A %s -d %s -j NFQUEUE --queue-num %d", chain, podRange, queue),
	}
}

// dropRules is the chain for IPv6: pods have no such address but the one of the link, and nobody judges it.
func dropRules(bridge string) []string {
	return []string{fmt.Sprintf("-A %s -i %s -j DROP", chain, bridge)}
}

// jumps lead into the chain: between pods and to pods (FORWARD), and from pods to this very node (INPUT).
func jumps(bridge string) [][]string {
	return [][]string{append([]string{"FORWARD"}, judged...), append([]string{"INPUT", "-i", bridge}, judged...)}
}

// install makes chain and jumps what they shall be, and touches nothing that is so already.
func install(ctx context.Context, program, bridge string, rules []string) error {
	there, err := tool(ctx, "", program, "-w", "-t", "mangle", "-S", chain)
	if err != nil || !sameRules(there, rules) {
		text := fmt.Sprintf("*mangle\n:%s - [0:0]\n%s\nCOMMIT\n", chain, strings.Join(rules, "\n"))
		if _, err := tool(ctx, text, program+"-restore", "-w", "--noflush"); err != nil {
			return err
		}
	}
	for _, jump := range jumps(bridge) {
		if _, err := tool(ctx, "", program, append([]string{"-w", "-t", "mangle", "-C"}, jump...)...); err == nil {
			continue
		}
		if _, err := tool(ctx, "", program, append([]string{"-w", "-t", "mangle", "-A"}, jump...)...); err != nil {
			return err
		}
	}
	return nil
}

// sameRules compares what -S says with what is wanted.
func sameRules(listed string, rules []string) bool {
	wanted := strings.Join(append([]string{"-N " + chain}, rules...), "\n")
	return strings.TrimSpace(listed) == wanted
}

// dropLinkLocal closes the way around: pods on one bridge could talk by IPv6 addresses of the link.
func dropLinkLocal(ctx context.Context, bridge string) error {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		return nil
	}
	return install(ctx, "ip6tables", bridge, dropRules(bridge))
}

// nftablesCanQueue asks the kernel, and changes nothing (-c).
func nftablesCanQueue(ctx context.Context, queue uint) bool {
	text := fmt.Sprintf("table inet kcloud-check {\n chain c {\n  queue num %d\n }\n}\n", queue)
	_, err := tool(ctx, text, "nft", "-c", "-f", "-")
	return err == nil
}

// queueIsBound says whether somebody takes packets from the queue (the kernel's own list).
func queueIsBound(listed string, queue uint) bool {
	for line := range strings.Lines(listed) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == fmt.Sprint(queue) {
			return true
		}
	}
	return false
}

func tool(ctx context.Context, input, program string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolPatience)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Stdin = strings.NewReader(input)
	var said, complained bytes.Buffer
	command.Stdout, command.Stderr = &said, &complained
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(arguments, " "), err, strings.TrimSpace(complained.String()))
	}
	return said.String(), nil
}
