// A server and a client that authenticate each other by the files of spiffe-helper, with the standard library alone.
//
//	greeter serve -certs DIR -accept spiffe://example.org/client [-listen ADDRESS]
//	greeter call  -certs DIR -accept spiffe://example.org/server URL
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: greeter serve|call -certs DIR -accept SPIFFE-ID [URL]")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	var identity Identity
	flags.StringVar(&identity.Directory, "certs", "certs", "where spiffe-helper writes")
	flags.StringVar(&identity.Accept, "accept", "", "the peer's SPIFFE ID")
	listen := flags.String("listen", "127.0.0.1:0", "where to serve")
	flags.Parse(os.Args[2:])
	run := func() error { return serve(identity, *listen) }
	if os.Args[1] == "call" {
		run = func() error { return call(identity, flags.Arg(0)) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func serve(identity Identity, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("listening on https://%s\n", listener.Addr())
	server := &http.Server{
		TLSConfig:         identity.Config(),
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Who it is was checked in the handshake. What it may do is decided here.
			id, _ := spiffeID(r.TLS.PeerCertificates[0])
			fmt.Fprintf(w, "Hello %s\n", id)
		}),
	}
	return server.ServeTLS(listener, "", "")
}

func call(identity Identity, url string) error {
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: identity.Config()},
	}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	fmt.Printf("%sfrom the server with certificate %X\n", body, response.TLS.PeerCertificates[0].SerialNumber.Bytes())
	return nil
}
