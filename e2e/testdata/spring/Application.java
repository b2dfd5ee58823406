package hilum;

import static org.springframework.security.config.Customizer.withDefaults;

import jakarta.servlet.http.HttpServletRequest;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.ClientAuthorizationException;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.annotation.RegisteredOAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.HttpSessionOAuth2AuthorizedClientRepository;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizedClientRepository;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.csrf.CsrfToken;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;
import tools.jackson.databind.json.JsonMapper;

/**
 * A web application that signs people in, and an API that takes access tokens. Issuer, client and
 * audience come from the environment, by the names of Spring Boot's properties.
 */
@SpringBootApplication
@RestController
public class Application {
  public static void main(String[] args) {
    SpringApplication.run(Application.class, args);
  }

  /** People: sign-in, sign-out at the provider, and being told that a session has ended. */
  @Bean
  SecurityFilterChain people(HttpSecurity http, ClientRegistrationRepository registrations) throws Exception {
    OidcClientInitiatedLogoutSuccessHandler both = new OidcClientInitiatedLogoutSuccessHandler(registrations);
    both.setPostLogoutRedirectUri("{baseUrl}/");
    return http.authorizeHttpRequests(r -> r.anyRequest().authenticated())
        .oauth2Login(withDefaults())
        .logout(l -> l.logoutSuccessHandler(both))
        .oidcLogout(o -> o.backChannel(withDefaults()))
        .build();
  }

  /**
   * Tokens belong to the session of a browser. By default they would belong to the name of the
   * person, and a second browser would have those of the first.
   */
  @Bean
  OAuth2AuthorizedClientRepository tokens() {
    return new HttpSessionOAuth2AuthorizedClientRepository();
  }

  /** An API that checks JWTs itself, by Spring Boot's own decoder. */
  @Bean
  @Order(1)
  SecurityFilterChain byDefault(HttpSecurity http, JwtDecoder boots) throws Exception {
    return http.securityMatcher("/api/default")
        .authorizeHttpRequests(r -> r.anyRequest().authenticated())
        .oauth2ResourceServer(o -> o.jwt(j -> j.decoder(boots)))
        .build();
  }

  /** An API that checks JWTs itself, and wants access tokens (RFC 9068). */
  @Bean
  @Order(2)
  SecurityFilterChain byJWT(
      HttpSecurity http,
      @Value("${spring.security.oauth2.resourceserver.jwt.issuer-uri}") String issuer,
      @Value("${spring.security.oauth2.resourceserver.jwt.audiences}") String audience,
      @Value("${viewer}") String viewer)
      throws Exception {
    NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(issuer).build();
    decoder.setJwtValidator(
        JwtValidators.createAtJwtValidator().issuer(issuer).audience(audience).clientId(viewer).build());
    return http.securityMatcher("/api/jwt")
        .authorizeHttpRequests(r -> r.anyRequest().authenticated())
        .oauth2ResourceServer(o -> o.jwt(j -> j.decoder(decoder)))
        .build();
  }

  /** An API that asks the provider about each token (RFC 7662). */
  @Bean
  @Order(3)
  SecurityFilterChain byQuestion(
      HttpSecurity http,
      @Value("${spring.security.oauth2.resourceserver.jwt.issuer-uri}") String issuer,
      @Value("${archive.id}") String id,
      @Value("${archive.secret}") String secret)
      throws Exception {
    SpringOpaqueTokenIntrospector asks =
        SpringOpaqueTokenIntrospector.withIntrospectionUri(issuer + "/introspect").clientId(id).clientSecret(secret).build();
    return http.securityMatcher("/api/opaque")
        .authorizeHttpRequests(r -> r.anyRequest().authenticated())
        .oauth2ResourceServer(o -> o.opaqueToken(t -> t.introspector(asks)))
        .build();
  }

  @GetMapping({"/api/default", "/api/jwt", "/api/opaque"})
  Map<String, Object> whose(Authentication token) {
    return Map.of("sub", token.getName(), "authorities", token.getAuthorities().toString());
  }

  @GetMapping("/")
  String who(@AuthenticationPrincipal OidcUser person, CsrfToken form) {
    return new JsonMapper()
        .writeValueAsString(
            Map.of("sub", person.getSubject(), "name", person.getFullName(), "csrf", form.getToken()));
  }

  /** What the provider tells of the person now; the access token is refreshed where it has run out. */
  @GetMapping("/userinfo")
  String userinfo(@RegisteredOAuth2AuthorizedClient("hilum") OAuth2AuthorizedClient tokens) {
    return RestClient.create()
        .get()
        .uri(tokens.getClientRegistration().getProviderDetails().getUserInfoEndpoint().getUri())
        .headers(h -> h.setBearerAuth(tokens.getAccessToken().getTokenValue()))
        .retrieve()
        .body(String.class);
  }

  /** Refused a refresh, the session here ends, too. */
  @ExceptionHandler(ClientAuthorizationException.class)
  ResponseEntity<String> refused(ClientAuthorizationException e, HttpServletRequest request) {
    request.getSession().invalidate();
    return ResponseEntity.status(HttpStatus.UNAUTHORIZED).body(e.getError().getErrorCode());
  }
}
