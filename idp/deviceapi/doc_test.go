package deviceapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/device"
)

const protocol = "../../docs/device-protocol.md"

// Every error that can be answered stands in the published protocol, and none else.
func TestErrorsArePublished(t *testing.T) {
	text, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	published := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		published[m[1]+" "+m[2]] = true
	}
	// Those that fail decides on without the table.
	answered := map[string]bool{
		"401 clock_skew": true, "410 expired": true, "410 withdrawn": true, "409 already_answered": true, "500 server_error": true,
		"404 unknown_operation": true, "405 unknown_operation": true,
	}
	for _, line := range table {
		answered[fmt.Sprintf("%d %s", line.status, line.code)] = true
	}
	if !maps.Equal(published, answered) {
		t.Errorf("published %v,\nanswered %v", slices.Sorted(maps.Keys(published)), slices.Sorted(maps.Keys(answered)))
	}
}

// The answers that the page shows are as they are made here, member for member and byte
// for byte, and so are the texts of its questions.
func TestExchangeHasOurAnswers(t *testing.T) {
	raw, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(raw), "## An exchange, byte by byte\n")
	parts := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z -]+):\n\n    (.+)$`).FindAllStringSubmatch(page, -1) {
		parts[m[1]] = m[2]
	}
	var pair pairReply
	var list listReply
	var linking, signIn answerReply
	var linkingDoc, signInDoc idp.ChallengeDoc
	for name, v := range map[string]any{
		"pair answer": &pair, "list answer": &list, "linking answer": &linking, "sign-in answer": &signIn, "linking doc": &linkingDoc, "sign-in doc": &signInDoc,
	} {
		d := json.NewDecoder(strings.NewReader(parts[name]))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if made, err := json.Marshal(v); err != nil || string(made) != parts[name] {
			t.Errorf("%s is made as\n%s\nthe page has\n%s", name, made, parts[name])
		}
	}
	if pair.Challenge.Doc != parts["linking doc"] || len(list.Challenges) != 1 || list.Challenges[0].Doc != parts["sign-in doc"] ||
		pair.Challenge.CID != linkingDoc.CID || list.Challenges[0].CID != signInDoc.CID {
		t.Error("the answers have other questions than the page shows")
	}
}

// Every number that a site tells stands in the published protocol.
func TestLimitsArePublished(t *testing.T) {
	text, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	published := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\| ([\\d, ]+) \\|").FindAllStringSubmatch(string(text), -1) {
		names, numbers := strings.Split(m[1], ", "), strings.Split(m[2], ", ")
		for i, name := range names {
			if len(numbers) != len(names) {
				t.Fatalf("%s", m[0])
			}
			n, err := strconv.Atoi(numbers[i])
			if err != nil {
				t.Fatal(err)
			}
			published[strings.Trim(name, "`")] = n
		}
	}
	raw, err := json.Marshal((&Server{}).limits())
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	if err := json.Unmarshal(raw, &told); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(published, told) {
		t.Errorf("published %v,\ntold %v", published, told)
	}
}

// Every operation stands in the published protocol by its method, path and typ.
func TestOperationsArePublished(t *testing.T) {
	text, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[device.Op]string{device.OpList: "challenges"}
	mux := http.NewServeMux()
	New(Config{}).Mount(mux)
	rows := regexp.MustCompile("(?m)^\\| (GET|POST) `(/device/v1/[a-z]+)` \\| `([a-z]+)\\+jwt`").FindAllStringSubmatch(string(text), -1)
	if len(rows) != len(device.Ops) {
		t.Errorf("%d operations are published, there are %d", len(rows), len(device.Ops))
	}
	for _, m := range rows {
		op := device.Op(m[3])
		path := paths[op]
		if path == "" {
			path = string(op)
		}
		if !slices.Contains(device.Ops, op) || !strings.HasSuffix(m[2], "/"+path) {
			t.Errorf("published: %s", m[0])
		}
		r, err := http.NewRequestWithContext(t.Context(), m[1], m[2], nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, pattern := mux.Handler(r); pattern != m[1]+" "+m[2] {
			t.Errorf("%s %s is served by %q", m[1], m[2], pattern)
		}
	}
}
