import { test, expect } from "bun:test";
import { startTestApp } from "/work/main/test/support/app.ts";
test("x", async () => {
  const limits = { register: {points:3,windowMs:3600000}, signIn:{points:2,windowMs:900000}, forgotPassword:{points:3,windowMs:3600000}, requests:{points:100,windowMs:60000}};
  const app = await startTestApp({ limits });
  for (const p of ["/api/auth/login","/api/auth/logi%6e","/api/auth/login/","/api/auth/login//","/api/%61uth/login", "/api/users?usernames=a"]) {
    const a = await app.call("POST", p, { body: { email: "a@b.co", password: "x" } });
    console.log(p, a.status, JSON.stringify(a.body), a.headers.get("x-ratelimit-limit"));
  }
  const r = async (raw: string, headers = {"Content-Type":"application/json"}) => { const a = await app.call("POST", "/api/auth/reset-password", { raw, headers }); console.log(raw.slice(0,60), a.status, JSON.stringify(a.body)); };
  await r('["Secret-123"]'); await r('"Secret-123"'); await r('{"password":["Secret-123"]}'); await r('{"token":7,"password":7}');
  await r('{"token":"x","password":"Abc-1234","password":"Abd-1234","confirm_password":"Abd-1234"}');
  console.log(JSON.stringify(await app.core.db.all("select * from roles" as never)));
  await app.close();
});
