// An HTTPS server for clients of one trust domain, with the standard library alone. It checks at each handshake whether
// the files have changed, and reads them again if so.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

const address = "127.0.0.1:8443"

// Files are the names of the files that spiffe-helper writes.
type Files struct {
	Certificate, Key, Bundle string

	mutex  sync.Mutex
	seen   [3]os.FileInfo
	config *tls.Config
}

// Config is for a server. It always presents the newest certificate and verifies clients with the newest authorities.
// tls.Config.GetCertificate renews only the certificate, not ClientCAs.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current() },
	}
}

func (f *Files) current() (*tls.Config, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if seen, changed := f.look(); changed {
		config, err := f.load()
		if err != nil {
			// The files may have been replaced between two reads. The next handshake tries again.
			log.Printf("cannot load the new certificate: %v", err)
			if f.config == nil {
				return nil, err
			}
			return f.config, nil
		}
		f.seen, f.config = seen, config
	}
	return f.config, nil
}

// look reports whether any file has been replaced since it was read.
func (f *Files) look() (found [3]os.FileInfo, changed bool) {
	for i, name := range []string{f.Certificate, f.Key, f.Bundle} {
		info, err := os.Stat(name)
		if err != nil {
			return found, true
		}
		found[i] = info
		last := f.seen[i]
		changed = changed || last == nil || !os.SameFile(info, last) || !info.ModTime().Equal(last.ModTime())
	}
	return found, changed
}

func (f *Files) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	bundle, err := os.ReadFile(f.Bundle)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(bundle) {
		return nil, errors.New("no authority in " + f.Bundle)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		// Clients of this trust domain, and no others.
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  authorities,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates[0].URIs) != 1 {
				return errors.New("the client's certificate is not an X.509-SVID, which has exactly one URI")
			}
			return nil
		},
		NextProtos: []string{"h2", "http/1.1"},
	}, nil
}

func main() {
	files := &Files{Certificate: "certs/svid.pem", Key: "certs/svid_key.pem", Bundle: "certs/svid_bundle.pem"}
	server := &http.Server{
		Addr:              address,
		TLSConfig:         files.Config(),
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Decide here what this client may do.
			fmt.Fprintf(w, "hello, %s\n", r.TLS.PeerCertificates[0].URIs[0])
		}),
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
