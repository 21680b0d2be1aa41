// Command go-oracle says what the Go helper makes of configuration files, cmd_args and path names: its own
// packages, many inputs in one process.
//
//	go-oracle config   reads {"path": FILE, "env": {NAME: VALUE}} lines
//	go-oracle args     reads cmd_args, one JSON string a line
//	go-oracle join     reads [DIRECTORY, NAME] lines
//
// Each line is answered by one of JSON: {"error": TEXT} or what became of it. In strings every byte is the
// character of that number, so that inputs and answers need not be UTF-8.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path"
	_ "unsafe" // for go:linkname

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"github.com/spiffe/spiffe-helper/cmd/spiffe-helper/config"
	"golang.org/x/sys/unix"
)

// The helper's own, which it does not export; split.s lets the compiler accept the missing body.
//
//go:linkname getCmdArgs github.com/spiffe/spiffe-helper/pkg/sidecar.getCmdArgs
func getCmdArgs(args string) ([]string, error)

// latin1 gives each byte of a string as a character, bytes undoes that.
func latin1(text string) string {
	runes := make([]rune, 0, len(text))
	for i := range len(text) {
		runes = append(runes, rune(text[i]))
	}
	return string(runes)
}

func latin1All(texts []string) []string {
	out := make([]string, 0, len(texts))
	for _, text := range texts {
		out = append(out, latin1(text))
	}
	return out
}

func bytes(text string) string {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		out = append(out, byte(r))
	}
	return string(out)
}

type object = map[string]any

func failed(err error) object {
	return object{"error": latin1(err.Error())}
}

type configInput struct {
	Path string            `json:"path"`
	Env  map[string]string `json:"env"`
}

// values is what the helper would work with, under the names of the keys. agent_address is what it dials.
func values(c *config.Config) object {
	jwts := make([]object, 0, len(c.JWTSVIDs))
	for _, jwt := range c.JWTSVIDs {
		jwts = append(jwts, object{
			"jwt_audience":        latin1(jwt.JWTAudience),
			"jwt_extra_audiences": latin1All(jwt.JWTExtraAudiences),
			"jwt_svid_file_name":  latin1(jwt.JWTSVIDFilename),
		})
	}
	return object{
		"agent_address":                  latin1("unix://" + c.AgentAddress),
		"cmd":                            latin1(c.Cmd),
		"cert_dir":                       latin1(c.CertDir),
		"hint":                           latin1(c.Hint),
		"pid_file_name":                  latin1(c.PIDFilename),
		"svid_file_name":                 latin1(c.SVIDFilename),
		"svid_key_file_name":             latin1(c.SVIDKeyFilename),
		"svid_bundle_file_name":          latin1(c.SVIDBundleFilename),
		"jwt_bundle_file_name":           latin1(c.JWTBundleFilename),
		"jwt_svids":                      jwts,
		"add_intermediates_to_bundle":    c.AddIntermediatesToBundle,
		"include_federated_domains":      c.IncludeFederatedDomains,
		"omit_expired":                   c.OmitExpired,
		"daemon_mode":                    *c.DaemonMode,
		"cert_file_mode":                 c.CertFileMode,
		"key_file_mode":                  c.KeyFileMode,
		"jwt_bundle_file_mode":           c.JWTBundleFileMode,
		"jwt_svid_file_mode":             c.JWTSVIDFileMode,
		"renew_signal":                   int(unix.SignalNum(c.RenewSignal)),
		"health_checks.listener_enabled": c.HealthCheck.ListenerEnabled,
		"health_checks.bind_port":        c.HealthCheck.BindPort,
		"health_checks.liveness_path":    latin1(c.HealthCheck.LivenessPath),
		"health_checks.readiness_path":   latin1(c.HealthCheck.ReadinessPath),
	}
}

// readConfig goes as far as main() does before it talks to the agent. A panic is the helper's own.
func readConfig(line string) (answer object) {
	defer func() {
		if reason := recover(); reason != nil {
			answer = failed(fmt.Errorf("panic: %v", reason))
		}
	}()
	var input configInput
	if err := json.Unmarshal([]byte(line), &input); err != nil {
		panic(err)
	}
	for name, value := range input.Env {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
		defer os.Unsetenv(name)
	}
	log, said := test.NewNullLogger()
	c, err := config.ParseConfig(input.Path, true, "daemon-mode")
	if err != nil {
		return failed(err)
	}
	if err := c.ValidateConfig(logrus.NewEntry(log)); err != nil {
		return failed(err)
	}
	warnings := []string{}
	for _, entry := range said.AllEntries() {
		warnings = append(warnings, latin1(entry.Message))
	}
	answer = object{"values": values(c), "warnings": warnings, "raw_signal": latin1(c.RenewSignal)}
	// What the following are worth comes out later: when it dials, and when it starts the command.
	if err := workloadapi.ValidateAddress("unix://" + c.AgentAddress); err != nil {
		answer["address_error"] = latin1(err.Error())
	}
	args, err := getCmdArgs(c.CmdArgs)
	if err != nil {
		answer["args_error"] = latin1(err.Error())
	}
	answer["values"].(object)["cmd_args"] = latin1All(args)
	return answer
}

func readArgs(line string) object {
	var input string
	if err := json.Unmarshal([]byte(line), &input); err != nil {
		return failed(err)
	}
	args, err := getCmdArgs(bytes(input))
	if err != nil {
		return failed(err)
	}
	return object{"values": latin1All(args)}
}

func readJoin(line string) object {
	var input [2]string
	if err := json.Unmarshal([]byte(line), &input); err != nil {
		return failed(err)
	}
	return object{"values": latin1(path.Join(bytes(input[0]), bytes(input[1])))}
}

func main() {
	modes := map[string]func(string) object{"config": readConfig, "args": readArgs, "join": readJoin}
	if len(os.Args) != 2 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go-oracle config|args|join")
		os.Exit(2)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for in.Scan() {
		if err := encoder.Encode(modes[os.Args[1]](in.Text())); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}
