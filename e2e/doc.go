// Package e2e shows the finished product at work: the built program, a real
// browser, real relying parties, a crowd at once, a power cut. It has tests
// only; make bench, make crash and make screenshots run the longer ones.
package e2e
