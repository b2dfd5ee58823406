// node-oidc-provider with its own pages for development, everything in memory.
import Provider from "oidc-provider";

const [port, callback] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { client_id: "web", client_secret: "secret", redirect_uris: [callback], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] },
    { client_id: "machine", client_secret: "secret", redirect_uris: [], grant_types: ["client_credentials"], response_types: [] },
  ],
  features: { clientCredentials: { enabled: true }, introspection: { enabled: true } },
  cookies: { keys: ["a key of the bench"] },
  claims: { openid: ["sub"], profile: ["name"], email: ["email"] },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
});
provider.listen(Number(port), "127.0.0.1");
