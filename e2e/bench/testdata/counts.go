package main

/*
#include <string.h>
#include <strings.h>

// SQLite itself is compiled into the driver's package. What is used of it here is declared as
// sqlite3.h does it.
typedef struct sqlite3 sqlite3;
extern __attribute__((weak)) int sqlite3_auto_extension(void (*)(void));
extern __attribute__((weak)) int sqlite3_trace_v2(sqlite3 *, unsigned, int (*)(unsigned, void *, void *, void *), void *);

enum { TRACE_STMT = 1 }; // SQLITE_TRACE_STMT

static long long statements, around, commits;

static int begins(const char *sql, const char *word) { return strncasecmp(sql, word, strlen(word)) == 0; }

// traced is called when a statement begins to run; one of a trigger comes as a comment.
static int traced(unsigned kind, void *to, void *statement, void *text) {
	const char *sql = text;
	if (begins(sql, "--")) return 0;
	if (begins(sql, "COMMIT") || begins(sql, "END")) __atomic_add_fetch(&commits, 1, __ATOMIC_RELAXED);
	if (begins(sql, "COMMIT") || begins(sql, "END") || begins(sql, "BEGIN") || begins(sql, "SAVEPOINT") || begins(sql, "RELEASE") || begins(sql, "ROLLBACK"))
		__atomic_add_fetch(&around, 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&statements, 1, __ATOMIC_RELAXED);
	return 0;
}

static int opened(sqlite3 *db, const char **message, const void *api) { return sqlite3_trace_v2(db, TRACE_STMT, traced, 0); }

static int count(void) { return sqlite3_auto_extension ? sqlite3_auto_extension((void (*)(void))opened) : -1; }

static long long counted(int which) { return __atomic_load_n(which == 0 ? &statements : which == 1 ? &around : &commits, __ATOMIC_RELAXED); }
*/
import "C"

import (
	"fmt"
	"net/http"
	"os"
)

// The provider as it is, that counts besides what SQLite is given on all its connections, and
// says it at an address.
func init() {
	address := os.Getenv("HILUM_BENCH_COUNTS")
	if address == "" {
		return // a command
	}
	if rc := C.count(); rc != 0 {
		panic(fmt.Sprint("SQLite cannot be traced: ", rc))
	}
	go func() { // ends with the program
		panic(http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, C.counted(0), C.counted(1), C.counted(2))
		})))
	}()
}
