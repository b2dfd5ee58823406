<%@ page contentType="text/plain; charset=UTF-8" session="false" %><%
String at = (String) request.getAttribute("jakarta.servlet.forward.request_uri");
if (at == null) at = request.getRequestURI();
out.print("user=" + request.getRemoteUser());
for (String role : new String[] {"user", "admin", "auditor"}) out.print(" " + role + "=" + request.isUserInRole(role));
out.print(" at=" + at + " query=" + request.getQueryString());
if ("away".equals(request.getParameter("go"))) request.logout();
%>
