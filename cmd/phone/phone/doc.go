// Package phone is a client of the device protocol, written against
// docs/device-protocol.md alone: it shares no code with the provider beyond a
// JOSE library, so that what one gets wrong the other does not repeat.
//
//	link.go     what a QR code says
//	picture.go  the QR code in a picture
//	account.go  a linked account: its keys, its codes
//	file.go     the accounts of one phone, kept in a file
//	client.go   the operations, signed
//	listen.go   hearing of sign-ins
package phone
