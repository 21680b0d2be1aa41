package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Identity is a directory of spiffe-helper's files. They are read at every handshake, so a renewal needs neither a
// watcher nor a restart: a handshake costs far more than reading them.
type Identity struct {
	Directory string
	Accept    string // the SPIFFE ID of the only peer that is accepted
}

// Config is for servers and clients of TLS. Both sides show their certificate and check the other's.
func (i Identity) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return i.certificate()
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return i.certificate()
		},
		// crypto/tls would compare a host name, which an SVID does not have, with authorities that it reads once.
		// VerifyConnection replaces both; unlike VerifyPeerCertificate it is called for resumed sessions too.
		InsecureSkipVerify: true,
		ClientAuth:         tls.RequireAnyClientCert,
		VerifyConnection:   i.verify,
	}
}

// The helper replaces certificate and key between two of our reads once in a while: then they do not match.
func (i Identity) certificate() (*tls.Certificate, error) {
	var err error
	for attempt := 0; attempt < 3; attempt++ {
		var pair tls.Certificate
		pair, err = tls.LoadX509KeyPair(
			filepath.Join(i.Directory, "svid.pem"), filepath.Join(i.Directory, "svid_key.pem"))
		if err == nil {
			return &pair, nil
		}
	}
	return nil, err
}

func (i Identity) verify(state tls.ConnectionState) error {
	bundle, err := os.ReadFile(filepath.Join(i.Directory, "svid_bundle.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return errors.New("no authority in svid_bundle.pem")
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer has no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	leaf := state.PeerCertificates[0]
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err
	}
	id, err := spiffeID(leaf)
	if err != nil {
		return err
	}
	if id != i.Accept {
		return fmt.Errorf("the peer is %s, not %s", id, i.Accept)
	}
	return nil
}

// An X.509-SVID has exactly one URI SAN.
func spiffeID(leaf *x509.Certificate) (string, error) {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "spiffe" {
		return "", errors.New("the peer's certificate is not an X.509-SVID")
	}
	return leaf.URIs[0].String(), nil
}
