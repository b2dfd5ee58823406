# make test and make lint are what a change has to pass; .ci/run runs both.

export GOFLAGS ?= -buildvcs=false

LINT := v2.15.0
CACHE := $(CURDIR)/.cache
LINTER := $(CACHE)/golangci-lint-$(LINT)
FRONT := $(CACHE)/front
SCRIPTS := $(FRONT)/node_modules/.package-lock.json
VULN := v1.9.0
SBOM := v1.10.0
BOM := $(CACHE)/cyclonedx-gomod-$(SBOM)

# What tests use, as Debian package:file, where * is a version. A browser, and relying
# parties that others wrote, proxies; Node.js for the tests of scripts (18 or newer);
# PostgreSQL, of which each test program starts its own.
NEEDS := \
	nodejs:/usr/bin/node \
	openssl:/usr/bin/openssl \
	chromium:/usr/bin/chromium \
	apache2:/usr/sbin/apache2 \
	nginx:/usr/sbin/nginx \
	caddy:/usr/bin/caddy \
	postgresql:/usr/lib/postgresql/*/bin/initdb \
	libapache2-mod-auth-openidc:/usr/lib/apache2/modules/mod_auth_openidc.so \
	orthanc:/usr/sbin/Orthanc \
	orthanc-dicomweb:/usr/share/orthanc/plugins/libOrthancDicomWeb.so

OAUTH2_PROXY_VERSION := v7.15.6
export OAUTH2_PROXY := $(CACHE)/oauth2-proxy-$(OAUTH2_PROXY_VERSION)

# Debian makes a server of its own with the package, and starts it, unless told not to.
NO_CLUSTER := mkdir -p /etc/postgresql-common/createcluster.d && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/tests.conf

.PHONY: test postgres build dev lint vuln lock bench waiting soak report engines move growth hints crash races twice books far three rolling parties conformance screenshots outdated notice worker release axe zxing fakeidb needs clean

# test begins with the end-to-end tests, which take longest and wait most: the others compute
# meanwhile. Packages are told of in the order in which they begin, so nothing is printed until those end.
test: needs $(OAUTH2_PROXY)
	go vet ./...
	go test -race -timeout 60m ./e2e ./...

# postgres runs the tests of the packages with PostgreSQL in place of SQLite, and once more
# with every function that writes run twice, none of which may decide by what it does not hold.
postgres: needs
	IDP_TEST_ENGINE=postgres go test -count 1 -timeout 60m ./idp/...
	IDP_TEST_ENGINE=postgres go test -count 1 -run TestScriptsOnPostgreSQL ./cmd/idp
	IDP_TEST_ENGINE=postgres go test -count 1 -timeout 60m -ldflags "-X hilum/idp/store/postgres.runTwice=on -X hilum/idp/store.runStrict=on" ./idp/...

build:
	go build -trimpath -o bin/ ./cmd/...

# dev runs the demo with pages, sentences, style and scripts from the folder of the
# sources: a page that is open loads itself anew when one of them changes.
dev:
	go run -tags dev ./cmd/idp demo

# needs installs what the tests need, where it is missing and we may; else it
# says what to install.
needs:
	@command -v cc >/dev/null || { echo "A C compiler is missing (SQLite is C): apt-get install gcc libc6-dev"; exit 1; }
	@missing=""; \
	for n in $(NEEDS); do ls $${n#*:} >/dev/null 2>&1 || command -v "$${n##*/}" >/dev/null || missing="$$missing $${n%%:*}"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing$$missing"; \
			export DEBIAN_FRONTEND=noninteractive; \
			case "$$missing" in *postgresql*) $(NO_CLUSTER);; esac; \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1 || \
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }; \
		else \
			echo "The tests need, beside Go and a C compiler:$$missing"; \
			echo "On Debian: apt-get install$$missing"; exit 1; \
		fi; \
	fi

# lint looks at Go with golangci-lint, at scripts with ESLint and the TypeScript
# compiler, which checks their types and writes nothing.
lint: $(LINTER) $(SCRIPTS)
	$(LINTER) run ./...
	cp static/lint/eslint.config.js $(FRONT)/
	cd static && $(FRONT)/node_modules/.bin/eslint --config $(FRONT)/eslint.config.js --max-warnings 0 .
	$(FRONT)/node_modules/.bin/tsc -p static/lint/tsconfig.json
	$(FRONT)/node_modules/.bin/tsc -p static/lint/tsconfig.worker.json

# What looks at scripts, in the versions of static/lint/package-lock.json.
$(SCRIPTS): static/lint/package.json static/lint/package-lock.json
	@node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || major == 20 && minor >= 19 ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null || \
		{ echo "To look at scripts, Node.js 20.19 or newer and its npm are needed. On Debian 13: apt-get install nodejs npm"; exit 1; }
	mkdir -p $(FRONT) && cp $^ $(FRONT)/
	cd $(FRONT) && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

# lock writes static/lint/package-lock.json after a change of package.json.
lock:
	cd static/lint && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund

# vuln looks for known vulnerabilities in what is linked, and says so where their
# database cannot be reached: then nothing was looked for.
vuln:
	@out=$$(go run golang.org/x/vuln/cmd/govulncheck@$(VULN) ./... 2>&1); code=$$?; \
	case "$$out" in \
	*"fetching vulnerabilities"*) echo "govulncheck: the database of vulnerabilities cannot be reached from here, and nothing was looked for";; \
	*) echo "$$out"; exit $$code;; \
	esac

$(LINTER):
	GOBIN=$(CACHE)/build go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT)
	mv $(CACHE)/build/golangci-lint $@

$(BOM):
	GOBIN=$(CACHE)/build go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(SBOM)
	mv $(CACHE)/build/cyclonedx-gomod $@

# bench measures each operation on SQLite and PostgreSQL beside the limits of the machine, BENCH
# seconds each, among as many grants as GRANTS says, and writes docs/performance: bench.md, a picture, and
# what the next run is compared with. PEOPLE are in the list of devices, three devices each. With PAIR=commit
# it measures that commit and this one in turn instead, with PEERS=1 providers that others wrote, which are
# fetched by name into .cache; either writes nothing.
BENCH ?= 1
GRANTS ?= 100000,1000000
PEOPLE ?= 1000000
PAIR ?=
PEERS ?=
bench: needs
ifneq ($(PAIR),)
	PAIR=$(PAIR) BENCH=$(BENCH) GRANTS=$(GRANTS) go test -v -count 1 -run TestBenchPair -timeout 0 ./e2e/bench
else ifneq ($(PEERS),)
	PEERS=1 BENCH=$(BENCH) go test -v -count 1 -run TestBenchPeers -timeout 0 ./e2e/bench
else
	BENCH=$(BENCH) GRANTS=$(GRANTS) go test -v -count 1 -run 'TestBench$$' -timeout 0 ./e2e/bench
	DEVICES_PEOPLE=$(PEOPLE) go test -v -count 1 -run TestBenchDevices -timeout 60m ./idp/store
endif

# waiting prints how long it takes from a phone's answer to its browser, and what those cost that wait.
waiting:
	BENCH=1 go test -v -count 1 -run TestBenchPhones -timeout 60m ./e2e/bench

# engines prints what an operation costs the provider on SQLite and on PostgreSQL, measured in
# turn, BENCH seconds each.
engines: needs
	BENCH_ENGINE=both BENCH=$(BENCH) go test -v -count 1 -run TestBenchEngines -timeout 60m ./e2e/bench

# soak has the provider at half of what it carries for SOAK on each engine, and says whether its
# memory, descriptors, goroutines and connections stay as they are.
SOAK ?= 1h
soak: needs
	SOAK=$(SOAK) go test -v -count 1 -run TestSoak -timeout 0 ./e2e/bench

# report measures SQLite, one instance on PostgreSQL and three behind a balancer, REPORT seconds
# a figure, and writes docs/performance: a picture, a table, and what the next one is compared with.
REPORT ?= 1
report: needs
	REPORT=$(REPORT) go test -v -count 1 -run 'TestReport$$' -timeout 60m ./e2e/bench

# hints prints how long it takes from a change at one instance until who waits at another is
# woken, HINTS of them at a time: on a PostgreSQL of its own, or that of IDP_TEST_POSTGRES.
HINTS ?= 1000
hints: needs
	HINTS=$(HINTS) go test -v -count 1 -run TestBenchHints -timeout 10m ./idp/store

# move takes a hundred thousand people, 300,000 devices and a million events from a file to
# PostgreSQL, and prints what each step took beside what the server takes to copy the rows alone.
MOVE ?= 100000
move:
	MOVE_PEOPLE=$(MOVE) go test -v -count 1 -run TestBenchMove -timeout 60m ./idp/store

# growth fills either engine with GROWTH grants and a year of the log, and prints what operations
# take beside the same with ten thousand, what a sweep takes, and how much room there is for one of
# a kind. GROWTH_ENGINE=sqlite or postgres: that one only. A million grants take 2.5 GB of disk.
GROWTH ?= 1000000
growth: needs
	GROWTH=$(GROWTH) GROWTH_ENGINE=$(GROWTH_ENGINE) go test -v -count 1 -run TestBenchGrowth -timeout 300m ./idp/store

# crash kills a provider in the middle of 500 sign-ins, and while 500 wait for
# their phones, and looks at what it kept.
crash:
	SIGN_INS=500 go test -race -count 1 -v -run 'TestCrash|TestPhonesThroughARestart' -timeout 30m ./e2e

# races lets a hundred rivals loose on each thing that works once, 50 times, and
# five phones on one question, 1,000 times; and lets everything that takes
# something away race what it is taken from, 200 times each.
races:
	ROUNDS=1000 go test -race -count 1 -v -run TestRivalPhones -timeout 30m ./idp/login
	ROUNDS=200 go test -race -count 1 -v -run TestNobodyIsCutOffLate -timeout 60m ./idp/login
	ROUNDS=50 go test -race -count 1 -v -run 'RivalsFor|OneSignIn' -timeout 60m ./e2e ./idp/login

# twice has every function that writes to the database run a second time, after what
# it did first is undone, under all tests but those that start the program; and fails those
# that decide by what they read without holding it (idp/store/hold.go).
twice:
	go test -count 1 -timeout 30m -ldflags "-X hilum/idp/store/sqlite.runTwice=on -X hilum/idp/store.runStrict=on" ./idp/...

# books stops and kills the server of PostgreSQL beneath two instances, and cuts connections
# before, at and after commits, while they give away what is given away once; then it compares
# what was told with what is stored, and prints the sums.
books: needs
	BOOKS=100 go test -count 1 -v -run TestTheBooksAgree -timeout 90m ./idp/store

# far lets rivals loose on a PostgreSQL that is far away, 50 ms there and back, and two processes on
# one database; it prints how often transactions waited in a circle or ran again.
far: needs
	ROUNDS=200 DELAY=25 go test -count 1 -v -parallel 10 -run 'TestRivalsThroughDelay|TestRivalProcesses' -timeout 90m ./idp/store

# rolling replaces two instances by those of a release that there is not yet, goes one back and on
# again, with ROLLING sign-ins at least in each step, and prints what was answered and how.
ROLLING ?= 100
rolling: needs
	ROLLING=$(ROLLING) go test -count 1 -v -run 'TestRollingUpgrade|TestReleasesOnOneFile' -timeout 90m ./e2e

# three has so many sign in, each approved by a phone, at three instances behind a balancer, all of
# which are killed and started again meanwhile, on a database that is stopped twice; it compares
# what was answered with what is stored, and prints how late browsers were told.
THREE ?= 10000
three: needs
	THREE=$(THREE) go test -count 1 -v -run TestThreeInstancesKilledThroughout -timeout 120m ./e2e

# parties walks relying parties by docs/recipes: oauth2-proxy, as make test does, and what is too
# large for that: OHIF (50 MB by npm, 200 MB unpacked), WildFly (270 and 330 MB by Maven),
# the library of Weasis and Spring (26 MB). These three need a JDK, 17 or newer, and Maven. And
# it runs libraries of others: 70 MB of npm and Python packages. Orthanc's authorization plug-in
# is run where it is given (docs/recipes/orthanc-authorization.md).
LIBRARIES := $(CACHE)/libraries
OHIF := 3.13.2
OHIF_DIR := $(CACHE)/ohif-$(OHIF)
OHIF_DIST := $(OHIF_DIR)/package/dist
WILDFLY := 39.0.1.Final
WILDFLY_DIR := $(CACHE)/wildfly-$(WILDFLY)
WILDFLY_HOME := $(WILDFLY_DIR)/wildfly-$(WILDFLY)
SCRIBEJAVA_DIR := $(CACHE)/scribejava-8.3.3
SPRING_DIR := $(CACHE)/spring-boot-4.0.7
MAVEN := mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1
parties: needs java $(OHIF_DIST)/index.html $(OAUTH2_PROXY) $(LIBRARIES)/ready $(WILDFLY_HOME)/jboss-modules.jar $(SCRIBEJAVA_DIR)/scribejava-core-8.3.3.jar $(SPRING_DIR)/spring-boot-4.0.7.jar
	OHIF_DIST=$(OHIF_DIST) LIBRARIES=$(LIBRARIES) WILDFLY_HOME=$(WILDFLY_HOME) SCRIBEJAVA_DIR=$(SCRIBEJAVA_DIR) SPRING_DIR=$(SPRING_DIR) \
		go test -race -count 1 -v -run 'TestOHIF|TestOAuth2Proxy|TestLibrar|TestWildFly|TestWeasis|TestSpring|TestKeycloakJS|TestOrthancAuthorization' -timeout 40m ./e2e

.PHONY: java
java:
	@command -v javac >/dev/null && command -v mvn >/dev/null && command -v unzip >/dev/null || \
		{ echo "make parties needs a JDK, 17 or newer, Maven and unzip. On Debian: apt-get install default-jdk-headless maven unzip"; exit 1; }

$(WILDFLY_HOME)/jboss-modules.jar:
	mkdir -p $(WILDFLY_DIR)
	$(MAVEN):copy -Dartifact=org.wildfly:wildfly-dist:$(WILDFLY):zip -DoutputDirectory=$(WILDFLY_DIR)
	cd $(WILDFLY_DIR) && sha256sum -c $(CURDIR)/e2e/testdata/wildfly/SHA256SUMS && unzip -q -o wildfly-dist-$(WILDFLY).zip && rm wildfly-dist-$(WILDFLY).zip
	touch $@

$(SCRIBEJAVA_DIR)/scribejava-core-8.3.3.jar:
	$(MAVEN):copy-dependencies -f e2e/testdata/weasis/pom.xml -DoutputDirectory=$(SCRIBEJAVA_DIR)
	cd $(SCRIBEJAVA_DIR) && sha256sum -c $(CURDIR)/e2e/testdata/weasis/SHA256SUMS
	touch $@

$(SPRING_DIR)/spring-boot-4.0.7.jar:
	$(MAVEN):copy-dependencies -f e2e/testdata/spring/pom.xml -DoutputDirectory=$(SPRING_DIR)
	cd $(SPRING_DIR) && sha256sum -c --quiet $(CURDIR)/e2e/testdata/spring/SHA256SUMS
	touch $@

# conformance runs the plans of the OpenID Foundation's suite (docs/conformance.md); SUITE is the
# address of one that runs, or a program that starts one.
conformance: needs
	@test -n "$(SUITE)" || { echo "SUITE=https://suite.test:8443, or a program that starts a suite: docs/conformance.md"; exit 1; }
	CONFORMANCE_SUITE=$(SUITE) CONFORMANCE_PICTURES=$(CACHE)/conformance go test -count 1 -v -run 'Test(Viewer)?Conformance(CIBA)?$$' -timeout 200m ./e2e

$(OHIF_DIST)/index.html:
	mkdir -p $(OHIF_DIR)
	cd $(OHIF_DIR) && npm pack @ohif/app@$(OHIF) && sha256sum -c $(CURDIR)/e2e/testdata/ohif/SHA256SUMS && tar xzf ohif-app-$(OHIF).tgz

# Libraries of others by which applications sign people in, in the versions of
# package-lock.json and requirements.txt; for Node.js 20 and Python 3.11, each or newer.
$(LIBRARIES)/ready: e2e/testdata/libraries/package-lock.json e2e/testdata/libraries/requirements.txt
	mkdir -p $(LIBRARIES) && cp e2e/testdata/libraries/package.json e2e/testdata/libraries/package-lock.json $(LIBRARIES)/
	cd $(LIBRARIES) && npm ci --ignore-scripts --no-audit --no-fund
	python3 -m venv $(LIBRARIES)/python && $(LIBRARIES)/python/bin/pip install -q -r e2e/testdata/libraries/requirements.txt
	touch $@

$(OAUTH2_PROXY):
	GOBIN=$(CACHE)/build go install github.com/oauth2-proxy/oauth2-proxy/v7@$(OAUTH2_PROXY_VERSION)
	mv $(CACHE)/build/oauth2-proxy $@

# screenshots takes every page in both themes, narrow and wide, in SCREENSHOTS_LANGS (en,de,fr,nl).
SCREENSHOTS_DIR ?= $(CURDIR)/.cache/screenshots
SCREENSHOTS_LANGS ?= en
screenshots: needs
	SCREENSHOTS_DIR=$(SCREENSHOTS_DIR) SCREENSHOTS_LANGS=$(SCREENSHOTS_LANGS) go test -count 1 -run TestScreenshots -timeout 90m ./e2e/...
	@echo $(SCREENSHOTS_DIR)

# outdated lists the modules that go.mod names of which the registry has newer ones,
# and those that it does not tell about (docs/decisions/0025-dependencies-are-known.md).
outdated:
	@go list -m -u -e -f '{{if not (or .Main .Indirect)}}{{with .Update}}{{$$.Path}} {{$$.Version}}, newer: {{.Version}} of {{.Time.Format "2006-01-02"}}{{end}}{{with .Error}}{{$$.Path}} {{$$.Version}}, not told{{end}}{{end}}' all 2>/dev/null | grep . || echo "none is outdated"

# notice writes NOTICE: under which terms the modules are that are in the program.
notice:
	UPDATE_NOTICE=1 go test -count 1 -run TestNotice ./cmd/idp

# worker makes the service worker of the phone app of its modules
# (docs/decisions/0026-the-worker-is-bundled.md).
worker:
	UPDATE_WORKER=1 go test -count 1 -run TestWorkerIsMade ./static

# release builds archives for Linux, with FCM and without (slim), an SBOM of each and
# their checksums, into dist/. The same commit and the same compilers give the same
# bytes. On another machine than arm64 its compiler is needed besides:
# apt-get install gcc-aarch64-linux-gnu.
VERSION ?= $(shell sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -1)
COMMIT ?= $(shell git rev-parse HEAD)
DATE ?= $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
ARCHS ?= amd64 arm64
release: $(BOM)
	@git diff --quiet HEAD || { echo "the work tree differs from the commit that the release would name"; exit 1; }
	rm -rf dist && mkdir -p dist
	for arch in $(ARCHS); do for kind in full slim; do \
		tags=; name=hilum-$(VERSION)-linux-$$arch; \
		if [ $$kind = slim ]; then tags=nofcm; name=$$name-slim; fi; \
		cc=gcc; if [ $$arch != $$(go env GOHOSTARCH) ]; then case $$arch in arm64) cc=aarch64-linux-gnu-gcc;; amd64) cc=x86_64-linux-gnu-gcc;; esac; fi; \
		command -v $$cc >/dev/null || { echo "$$cc is missing, for $$arch"; exit 1; }; \
		mkdir -p dist/$$name && \
		CGO_ENABLED=1 GOOS=linux GOARCH=$$arch CC=$$cc go build -trimpath -buildvcs=false -tags "$$tags" \
			-ldflags "-s -w -buildid= -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)" -o dist/$$name/idp ./cmd/idp && \
		cp LICENSE NOTICE README.md CHANGELOG.md SECURITY.md dist/$$name/ && cp config/example.yaml dist/$$name/idp.example.yaml && \
		$(BOM) bin -json -noserial -notimestamp -version v$(VERSION) -output dist/$$name.cdx.json dist/$$name/idp && \
		tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=$(DATE) -C dist -cf - $$name | gzip -9n > dist/$$name.tar.gz && \
		rm -r dist/$$name || exit 1; \
	done; done
	cd dist && sha256sum * > SHA256SUMS
	@cat dist/SHA256SUMS

# axe fetches the accessibility checker of the tests again from npm.
AXE := 4.14.1
axe:
	mkdir -p $(CACHE)/axe
	cd $(CACHE)/axe && npm pack axe-core@$(AXE) && tar xzf axe-core-$(AXE).tgz
	cp $(CACHE)/axe/package/axe.min.js $(CACHE)/axe/package/LICENSE e2e/testdata/axe/
	cd e2e/testdata/axe && sha256sum -c SHA256SUMS

# zxing fetches the QR reader of the phone app again from npm.
ZXING := 3.1.4
ZXING_DIR := static/app/zxing
zxing:
	mkdir -p $(CACHE)/zxing $(ZXING_DIR)/reader
	cd $(CACHE)/zxing && npm pack zxing-wasm@$(ZXING) && tar xzf zxing-wasm-$(ZXING).tgz
	cp $(CACHE)/zxing/package/LICENSE $(CACHE)/zxing/package/dist/es/share.js $(ZXING_DIR)/
	cp $(CACHE)/zxing/package/dist/es/reader/index.js $(CACHE)/zxing/package/dist/reader/zxing_reader.wasm $(ZXING_DIR)/reader/
	cd $(ZXING_DIR) && sha256sum -c SHA256SUMS

# fakeidb fetches the IndexedDB of the tests of scripts again from npm.
FAKEIDB := 6.2.8
FAKEIDB_DIR := static/test/fake-indexeddb
fakeidb:
	mkdir -p $(CACHE)/fakeidb $(FAKEIDB_DIR)
	cd $(CACHE)/fakeidb && npm pack fake-indexeddb@$(FAKEIDB) && tar xzf fake-indexeddb-$(FAKEIDB).tgz
	cp -r $(CACHE)/fakeidb/package/LICENSE $(CACHE)/fakeidb/package/build/esm/. $(FAKEIDB_DIR)/
	cd $(FAKEIDB_DIR) && sha256sum -c --quiet SHA256SUMS

clean:
	rm -rf bin dist $(CACHE)
