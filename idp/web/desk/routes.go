package desk

import (
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
)

// Paths that pages lead to.
const (
	devicesPath  = "/admin/devices"
	pickedPath   = devicesPath + "/unlink"
	foundPath    = pickedPath + "/found"
	peoplePath   = "/admin/users"
	importPath   = peoplePath + "/import"
	sessionsPath = "/admin/sessions"
	appsPath     = "/admin/applications"
	startPath    = "/admin/start"

	registrationPath = appsPath + "/registration"

	auditPath    = "/admin/audit"
	checkLogPath = auditPath + "/check"
	healthPath   = "/admin/health"
	settingsPath = "/admin/settings"
)

// The page that asks before a change has the same act as the form that makes it: nobody is
// asked who may not answer.

func (s *start) routes() []page.Route {
	return []page.Route{
		{Pattern: "GET /admin", Who: s.staff(admin.ReadDevices, s.home), Back: "admin-devices"},
		{Pattern: "GET /admin/", Who: s.door.Anyone(s.nothing)},
		{Pattern: "GET " + startPath, Who: s.staff(admin.ReadClients, s.page), Name: "admin-start"},
		{Pattern: "POST " + startPath, Who: s.staff(admin.EditClients, s.aside), Back: "admin-start"},
	}
}

func (s *devices) routes() []page.Route {
	return []page.Route{
		{Pattern: "GET " + devicesPath, Who: s.staff(admin.ReadDevices, s.list), Name: "admin-devices"},
		{Pattern: "GET " + devicesPath + ".csv", Who: s.staff(admin.ReadDevices, s.csv), Back: "admin-devices"},
		{Pattern: "GET " + devicesPath + "/{id}", Who: s.staff(admin.ReadDevices, s.one), Name: "device"},
		{Pattern: "GET " + pickedPath, Who: s.staff(admin.UnlinkDevice, s.unlinkPage), Name: "picked", Query: &pickedOnes, Back: "admin-devices"},
		{Pattern: "POST " + pickedPath, Who: s.staff(admin.UnlinkDevice, s.unlink), Back: "picked"},
		{Pattern: "GET " + foundPath, Who: s.staff(admin.UnlinkDevice, s.unlinkFoundPage), Name: "found", Query: &foundOnes, Back: "admin-devices"},
		{Pattern: "POST " + foundPath, Who: s.staff(admin.UnlinkDevice, s.unlinkFound), Back: "found"},
	}
}

func (s *people) routes() []page.Route {
	one := peoplePath + "/{id}"
	routes := []page.Route{
		{Pattern: "GET " + peoplePath, Who: s.staff(admin.ReadUsers, s.list), Name: "admin-users"},
		{Pattern: "GET " + peoplePath + ".csv", Who: s.staff(admin.ReadUsers, s.csv), Back: "admin-users"},
		{Pattern: "GET " + peoplePath + "/new", Who: s.staff(admin.AddUsers, s.newPage), Name: "admin-new"},
		{Pattern: "POST " + peoplePath + "/new", Who: s.staff(admin.AddUsers, s.add), Back: "admin-new"},
		{Pattern: "GET " + one, Who: s.staff(admin.ReadUsers, s.one), Name: "user"},
		{Pattern: "GET " + one + "/edit", Who: s.staff(admin.EditUsers, s.editPage), Name: "edit"},
		{Pattern: "POST " + one + "/edit", Who: s.staff(admin.EditUsers, s.edit), Back: "edit"},
		{Pattern: "POST " + one + "/sessions/{session}/end", Who: s.staff(admin.EndSessions, s.endSession), Back: "user"},
		{Pattern: "GET " + sessionsPath, Who: s.staff(admin.ReadSessions, s.sessions), Name: "admin-sessions"},
	}
	for _, a := range personActs {
		path := one + "/" + a.name
		routes = append(routes,
			page.Route{Pattern: "GET " + path, Who: s.staff(a.act, s.askFor(a)), Name: a.name},
			page.Route{Pattern: "POST " + path, Who: s.staff(a.act, s.doFor(a)), Back: a.name})
	}
	return routes
}

func (s *importer) routes() []page.Route {
	one := "/admin/imports/{id}"
	return []page.Route{
		{Pattern: "GET " + importPath, Who: s.staff(admin.AddUsers, s.page), Name: "admin-import"},
		{Pattern: "POST " + importPath, Who: s.upload(admin.AddUsers, s.check), Back: "admin-import", Body: admin.MaxImportBytes + page.MaxText + page.MaxForm},
		{Pattern: "GET " + one, Who: s.staff(admin.ReadUsers, s.importing), Name: "import"},
		{Pattern: "GET " + one + "/state", Who: s.staff(admin.ReadUsers, s.jobState(idp.JobImport)), Back: "import", Quiet: true},
		{Pattern: "GET " + one + "/events", Who: s.staff(admin.ReadUsers, s.jobEvents(idp.JobImport)), Back: "import", Quiet: true, Stream: true},
		{Pattern: "POST " + one + "/add", Who: s.staff(admin.AddUsers, s.add), Back: "import"},
		{Pattern: "POST " + one + "/stop", Who: s.staff(admin.AddUsers, s.stop), Back: "import"},
	}
}

// pictures bounds a form with up to two pictures, in bytes.
const pictures = 2*page.MaxText + page.MaxForm

func (s *applications) routes() []page.Route {
	one := appsPath + "/{client}"
	routes := []page.Route{
		{Pattern: "GET " + appsPath, Who: s.staff(admin.ReadClients, s.list), Name: "admin-applications"},
		{Pattern: "GET " + appsPath + "/new", Who: s.staff(admin.EditClients, s.newPage), Name: "admin-newapp"},
		{Pattern: "POST " + appsPath + "/new", Who: s.staff(admin.EditClients, s.add), Back: "admin-newapp"},
		{Pattern: "GET " + one, Who: s.staff(admin.ReadClients, s.one), Name: "app"},
		{Pattern: "GET " + one + "/edit", Who: s.staff(admin.EditClients, s.editPage), Back: "app"},
		{Pattern: "POST " + one + "/edit", Who: s.staff(admin.EditClients, s.edit), Back: "app"},
		{Pattern: "GET " + one + "/icon", Who: s.staff(admin.EditClients, s.iconPage), Back: "app"},
		{Pattern: "POST " + appsPath + "/icon", Who: s.upload(admin.EditClients, s.icon), Back: "admin-applications", Body: pictures},
		{Pattern: "POST " + one + "/secret", Who: s.staff(admin.EditClients, s.newSecret), Back: "app"},
		{Pattern: "POST " + one + "/disable", Who: s.staff(admin.EditClients, s.switchApp(true, "disabled")), Back: "app"},
		{Pattern: "POST " + one + "/enable", Who: s.staff(admin.EditClients, s.switchApp(false, "enabled")), Back: "app"},
		{Pattern: "POST " + one + "/remove", Who: s.staff(admin.EditClients, s.remove), Back: "app"},
		{Pattern: "GET " + one + "/claims", Who: s.staff(admin.ReadClients, s.claims), Name: "claims"},
		{Pattern: "GET " + one + "/claims/edit", Who: s.staff(admin.EditClients, s.rulesPage), Name: "rules"},
		{Pattern: "POST " + one + "/claims/edit", Who: s.staff(admin.EditClients, s.rules), Back: "rules"},
	}
	for name, act := range map[string]appAct{"secret": secretAct, "disable": disableAct, "enable": enableAct, "remove": removeAct} {
		routes = append(routes, page.Route{Pattern: "GET " + one + "/" + name, Who: s.staff(admin.EditClients, s.askApp(act)), Back: "app"})
	}
	return routes
}

func (s *registrations) routes() []page.Route {
	return []page.Route{
		{Pattern: "GET " + registrationPath, Who: s.staff(admin.ReadClients, s.list), Name: "admin-registration"},
		{Pattern: "POST " + registrationPath, Who: s.staff(admin.EditClients, s.add), Back: "admin-registration"},
		{Pattern: "GET " + registrationPath + "/{token}/revoke", Who: s.staff(admin.EditClients, s.askRevoke), Back: "admin-registration"},
		{Pattern: "POST " + registrationPath + "/{token}/revoke", Who: s.staff(admin.EditClients, s.revoke), Back: "admin-registration"},
		{Pattern: "GET " + registrationPath + "/{token}/block", Who: s.staff(admin.EditClients, s.askBlock), Back: "admin-registration"},
		{Pattern: "POST " + registrationPath + "/{token}/block", Who: s.staff(admin.EditClients, s.block), Back: "admin-registration"},
	}
}

// The callback of test sign-ins is like that of any relying party: the browser comes to it
// by GET, with a state that is good once, in the session that began the test.
func (s *tryouts) routes() []page.Route {
	return []page.Route{
		{Pattern: "GET " + appsPath + "/{client}/try", Who: s.staff(admin.EditClients, s.page), Name: "try"},
		{Pattern: "POST " + appsPath + "/{client}/try", Who: s.staff(admin.EditClients, s.begin), Back: "try"},
		{Pattern: "GET " + TryCallback, Who: s.staff(admin.ReadClients, s.callback), Back: "admin-applications"},
		{Pattern: "GET /admin/try/{id}", Who: s.staff(admin.ReadClients, s.one), Name: "test"},
	}
}

func (s *audits) routes() []page.Route {
	one := "/admin/checks/{id}"
	return []page.Route{
		{Pattern: "GET " + auditPath, Who: s.staff(admin.ReadAudit, s.list), Name: "admin-audit"},
		{Pattern: "GET " + auditPath + ".json", Who: s.staff(admin.ReadAudit, s.file(admin.ExportJSON, "application/x-ndjson", "audit.jsonl")), Back: "admin-audit"},
		{Pattern: "GET " + auditPath + ".csv", Who: s.staff(admin.ReadAudit, s.file(admin.ExportCSV, "text/csv; charset=utf-8", "audit.csv")), Back: "admin-audit"},
		{Pattern: "GET " + checkLogPath, Who: s.staff(admin.ReadAudit, s.checkPage), Name: "admin-check"},
		{Pattern: "POST " + checkLogPath, Who: s.staff(admin.ReadAudit, s.check), Back: "admin-check"},
		{Pattern: "GET " + one, Who: s.staff(admin.ReadAudit, s.checking), Name: "check"},
		{Pattern: "GET " + one + "/state", Who: s.staff(admin.ReadAudit, s.jobState(idp.JobCheck)), Back: "check", Quiet: true},
		{Pattern: "GET " + one + "/events", Who: s.staff(admin.ReadAudit, s.jobEvents(idp.JobCheck)), Back: "check", Quiet: true, Stream: true},
	}
}

func (s *health) routes() []page.Route {
	return []page.Route{{Pattern: "GET " + healthPath, Who: s.staff(admin.ReadHealth, s.page), Name: "admin-health"}}
}

func (s *settings) routes() []page.Route {
	return []page.Route{
		{Pattern: "GET " + settingsPath, Who: s.staff(admin.ReadSettings, s.list), Name: "admin-settings"},
		{Pattern: "GET " + settingsPath + "/edit", Who: s.staff(admin.EditSettings, s.editPage), Name: "admin-site"},
		{Pattern: "POST " + settingsPath + "/edit", Who: s.staff(admin.EditSettings, s.edit), Back: "admin-site"},
		{Pattern: "GET " + settingsPath + "/logo", Who: s.staff(admin.EditSettings, s.logoPage), Name: "admin-logo"},
		{Pattern: "POST " + settingsPath + "/logo", Who: s.upload(admin.EditSettings, s.logo), Back: "admin-logo", Body: pictures},
	}
}
