// Package source is where pages, sentences, style and scripts come from: what is
// embedded in the program. Built with the tag dev it is the folder of the sources
// instead, which is looked at again and again, so that a change to a page is seen
// without building anew (CONTRIBUTING.md).
package source
