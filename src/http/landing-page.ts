const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guildhall</title>
<h1>Guildhall</h1>
<p>The server is running.</p>
<ul>
<li><a href="/docs">API documentation</a>: every route, to read and to try</li>
<li><a href="/openapi.json">OpenAPI document</a>: the same for programs</li>
<li><a href="/readyz">Readiness</a>: the state of what the server needs</li>
</ul>
</html>
`;

export const landingPage = () =>
  new Response(PAGE, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
      // The addresses of some pages hold a secret.
      "Referrer-Policy": "no-referrer",
      "Cache-Control": "no-store",
    },
  });
