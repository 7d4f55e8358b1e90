// Runs in the browser, after Swagger UI's own script.
window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  displayRequestDuration: true,
  // Its badge would send the document's address to another host.
  validatorUrl: null,
});
