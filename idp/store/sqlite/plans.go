//go:build cgo

package sqlite

/*
// Where the linker of macOS wants to be told that a symbol comes from another
// package; others take it from its being weak.
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup

// SQLite itself is compiled into the driver's package. What is used of it here
// is declared as sqlite3.h does it.
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_value sqlite3_value;

#define FROM_THE_DRIVER extern __attribute__((weak))
FROM_THE_DRIVER int sqlite3_config(int, ...);
FROM_THE_DRIVER int sqlite3_auto_extension(void (*)(void));
FROM_THE_DRIVER int sqlite3_db_config(sqlite3 *, int, ...);
FROM_THE_DRIVER int sqlite3_create_function_v2(sqlite3 *, const char *, int, int, void *,
	void (*)(sqlite3_context *, int, sqlite3_value **), void (*)(sqlite3_context *, int, sqlite3_value **),
	void (*)(sqlite3_context *), void (*)(void *));
FROM_THE_DRIVER sqlite3 *sqlite3_context_db_handle(sqlite3_context *);
FROM_THE_DRIVER sqlite3_stmt *sqlite3_next_stmt(sqlite3 *, sqlite3_stmt *);
FROM_THE_DRIVER int sqlite3_stmt_status(sqlite3_stmt *, int, int);
FROM_THE_DRIVER void sqlite3_result_int64(sqlite3_context *, long long);

// Numbers of sqlite3.h, which never change: they are SQLite's ABI.
enum {
	OK = 0,                    // SQLITE_OK
	CONFIG_MEMSTATUS = 9,      // SQLITE_CONFIG_MEMSTATUS
	DBCONFIG_ENABLE_QPSG = 1007, // SQLITE_DBCONFIG_ENABLE_QPSG
	STMTSTATUS_REPREPARE = 5,  // SQLITE_STMTSTATUS_REPREPARE
	UTF8 = 1,                  // SQLITE_UTF8
};

// reprepared() in SQL: how often statements of the connection, those that are
// open now, were prepared anew since each was prepared first.
static void reprepared(sqlite3_context *ctx, int n, sqlite3_value **args) {
	long long sum = 0;
	sqlite3_stmt *s = 0;
	while ((s = sqlite3_next_stmt(sqlite3_context_db_handle(ctx), s)) != 0)
		sum += sqlite3_stmt_status(s, STMTSTATUS_REPREPARE, 0);
	sqlite3_result_int64(ctx, sum);
}

// opened is called by SQLite for each connection before anybody else has it.
// A failure fails its opening.
static int opened(sqlite3 *db, const char **message, const void *api) {
	int on = 0;
	int rc = sqlite3_db_config(db, DBCONFIG_ENABLE_QPSG, 1, &on);
	if (rc == OK && !on) rc = 1; // SQLITE_ERROR
	if (rc == OK) rc = sqlite3_create_function_v2(db, "reprepared", 0, UTF8, 0, reprepared, 0, 0, 0);
	return rc;
}

// holdPlans returns 0, a code of SQLite, or -1 where the driver brings no SQLite
// with it.
static int holdPlans(void) {
	if (!sqlite3_auto_extension) return -1;
	sqlite3_config(CONFIG_MEMSTATUS, 0); // refused, to no harm, where somebody has a connection already
	return sqlite3_auto_extension((void (*)(void))opened);
}
*/
import "C"

import "fmt"

// holdPlans has every connection that is opened from now on keep the plan that
// a statement was given when it was prepared: SQLite's query planner stability
// guarantee (QPSG). Without it SQLite prepares a statement anew whenever another
// value is bound to a parameter that might matter to its plan, such as one
// beside a partial index, a LIKE, or a LIMIT. That is each time, and costs
// several times what the statement does.
//
// The guarantee is a build option of SQLite, too; this way a plain «go run» has
// it. So it is with its counts of memory, which nobody reads and every
// allocation pays for with a lock.
//
// It is the process's, and calling it again changes nothing.
func holdPlans() error {
	if rc := C.holdPlans(); rc != C.OK {
		return fmt.Errorf("the plans of statements cannot be held (SQLite says %d)", int(rc))
	}
	return nil
}
