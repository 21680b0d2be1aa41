// Package ejbca stands in for the EJBCA client so that a test build of
// spire-server links without it.
//
// SPIRE compiles its EJBCA upstream authority plugin in unconditionally, and
// not every Go module proxy serves the client that plugin imports. The interop
// tests never configure the plugin. So this package declares exactly the names
// the plugin uses, and everything that would talk to a CA returns ErrStub.
package ejbca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
)

// ErrStub is the outcome of every operation.
var ErrStub = errors.New("this test build of SPIRE has no EJBCA client")

// Authenticator supplies an authenticated HTTP client.
type Authenticator interface {
	GetHttpClient() (*http.Client, error)
}

// MTLSAuthenticatorBuilder builds no authenticator.
type MTLSAuthenticatorBuilder struct{}

func NewMTLSAuthenticatorBuilder() *MTLSAuthenticatorBuilder {
	return &MTLSAuthenticatorBuilder{}
}

func (b *MTLSAuthenticatorBuilder) WithClientCertificate(*tls.Certificate) *MTLSAuthenticatorBuilder {
	return b
}

func (b *MTLSAuthenticatorBuilder) WithCaCertificates([]*x509.Certificate) *MTLSAuthenticatorBuilder {
	return b
}

func (b *MTLSAuthenticatorBuilder) Build() (Authenticator, error) {
	return nil, ErrStub
}

// Configuration names the EJBCA host.
type Configuration struct {
	Host string
}

func NewConfiguration() *Configuration {
	return &Configuration{}
}

func (c *Configuration) SetAuthenticator(Authenticator) {}

// APIClient groups the API services.
type APIClient struct {
	V1CertificateApi *V1CertificateApiService
}

func NewAPIClient(*Configuration) (*APIClient, error) {
	return nil, ErrStub
}

// V1CertificateApiService issues certificates.
type V1CertificateApiService struct{}

func (s *V1CertificateApiService) EnrollPkcs10Certificate(context.Context) ApiEnrollPkcs10CertificateRequest {
	return ApiEnrollPkcs10CertificateRequest{}
}

// ApiEnrollPkcs10CertificateRequest is an enrollment not yet sent.
type ApiEnrollPkcs10CertificateRequest struct{}

func (r ApiEnrollPkcs10CertificateRequest) EnrollCertificateRestRequest(EnrollCertificateRestRequest) ApiEnrollPkcs10CertificateRequest {
	return r
}

func (r ApiEnrollPkcs10CertificateRequest) Execute() (*CertificateRestResponse, *http.Response, error) {
	return nil, nil, ErrStub
}

// EnrollCertificateRestRequest drops what is put into it: it is never sent.
type EnrollCertificateRestRequest struct{}

func NewEnrollCertificateRestRequest() *EnrollCertificateRestRequest {
	return &EnrollCertificateRestRequest{}
}

func (r *EnrollCertificateRestRequest) SetUsername(string)                 {}
func (r *EnrollCertificateRestRequest) SetPassword(string)                 {}
func (r *EnrollCertificateRestRequest) SetCertificateRequest(string)       {}
func (r *EnrollCertificateRestRequest) SetCertificateAuthorityName(string) {}
func (r *EnrollCertificateRestRequest) SetCertificateProfileName(string)   {}
func (r *EnrollCertificateRestRequest) SetEndEntityProfileName(string)     {}
func (r *EnrollCertificateRestRequest) SetIncludeChain(bool)               {}
func (r *EnrollCertificateRestRequest) SetAccountBindingId(string)         {}

// CertificateRestResponse is an issued certificate; there never is one.
type CertificateRestResponse struct {
	CertificateChain []string
}

func (r *CertificateRestResponse) GetResponseFormat() string { return "" }
func (r *CertificateRestResponse) GetCertificate() string    { return "" }

// GenericOpenAPIError is an error answer of the API.
type GenericOpenAPIError struct{}

func (e GenericOpenAPIError) Error() string { return ErrStub.Error() }
func (e GenericOpenAPIError) Body() []byte  { return nil }
