import com.github.scribejava.core.builder.ServiceBuilder;
import com.github.scribejava.core.builder.api.DefaultApi20;
import com.github.scribejava.core.model.OAuth2AccessToken;
import com.github.scribejava.core.oauth.OAuth20Service;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Signs in by ScribeJava with the calls, parameters and times of Weasis 4.7.3
 * (org.weasis.core.api.net.auth), and without Weasis. Arguments: authorization URI, token URI,
 * client id, client secret, scope, port.
 *
 * <p>Lines of standard input are orders: «token» prints the access token that Weasis would use,
 * «reset» forgets it, as Weasis does when an archive answers 401, «many» asks for it eight times at
 * once. What is printed: «open URL» for the person's browser, then «token …» or «none …».
 */
public class SignIn {
  private static String[] args;
  private static OAuth20Service service;
  private static volatile OAuth2AccessToken token;
  private static volatile String refresh; // Weasis sets it at a sign-in, and never by a refresh

  public static void main(String[] given) throws Exception {
    args = given;
    service =
        new ServiceBuilder(args[2])
            .apiSecret(args[3].isEmpty() ? null : args[3])
            .defaultScope(args[4])
            .callback("http://127.0.0.1:" + args[5])
            .responseType("code")
            .build(
                new DefaultApi20() {
                  @Override
                  public String getAccessTokenEndpoint() {
                    return args[1];
                  }

                  @Override
                  protected String getAuthorizationBaseUrl() {
                    return args[0];
                  }
                });
    BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    say("ready");
    for (String order; (order = orders.readLine()) != null; ) {
      switch (order) {
        case "reset" -> {
          token = null;
          say("forgotten");
        }
        case "many" -> many();
        default -> say(told());
      }
    }
  }

  private static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }

  private static String told() {
    try {
      OAuth2AccessToken t = current();
      return t == null ? "none" : "token " + t.getAccessToken();
    } catch (Exception e) {
      return "none " + e.toString().replaceAll("\\s+", " ");
    }
  }

  /** Eight threads forget the token and ask for one, without waiting for each other. */
  private static void many() throws InterruptedException {
    CountDownLatch done = new CountDownLatch(8);
    for (int i = 0; i < 8; i++) {
      new Thread(
              () -> {
                try {
                  say("token " + service.refreshAccessToken(refresh).getAccessToken());
                } catch (Exception e) {
                  say("none " + e.toString().replaceAll("\\s+", " "));
                }
                done.countDown();
              })
          .start();
    }
    done.await();
  }

  private static OAuth2AccessToken current() throws Exception {
    if (token == null && refresh != null) {
      try {
        token = service.refreshAccessToken(refresh);
      } catch (Exception e) {
        say("refused " + e.toString().replaceAll("\\s+", " "));
      }
    }
    if (token == null) {
      signIn();
    }
    return token;
  }

  private static void signIn() throws Exception {
    try (ServerSocket server = new ServerSocket(Integer.parseInt(args[5]), 5, InetAddress.getByName("127.0.0.1"))) {
      server.setSoTimeout(60_000); // as long as Weasis waits
      say("open " + service.createAuthorizationUrlBuilder().additionalParams(Map.of("access_type", "offline", "prompt", "consent")).build());
      String code = null;
      while (code == null) {
        code = codeOf(server.accept());
      }
      token = service.getAccessTokenAsync(code).get(15, TimeUnit.SECONDS);
      refresh = token.getRefreshToken();
    }
  }

  /** Reads at most 1024 bytes of a request, as Weasis does, and answers it. */
  private static String codeOf(Socket socket) throws Exception {
    try (socket) {
      byte[] request = new byte[1024];
      int n = Math.max(0, socket.getInputStream().read(request));
      String text = new String(request, 0, n, StandardCharsets.UTF_8);
      int at = text.indexOf("code=");
      String body = at < 0 ? "failed" : "The code has been transmitted.";
      socket.getOutputStream()
          .write(
              ((at < 0 ? "HTTP/1.1 404 Not Found" : "HTTP/1.1 200 OK") + "\r\nContent-Type: text/plain\r\nContent-Length: " + body.length() + "\r\nConnection: close\r\n\r\n" + body)
                  .getBytes(StandardCharsets.US_ASCII));
      return at < 0 ? null : text.substring(at + "code=".length()).split("[ &]", 2)[0];
    }
  }
}
