import { createRoute, z } from "@hono/zod-openapi";
import { answer, body, failures, like, TOKEN } from "../../http/describe.ts";
import { queryInteger, text } from "../../http/input.ts";

const MAX_EMAIL_CHARACTERS = 254;
const MAX_DESCRIPTION_CHARACTERS = 2_000;
const MAX_PAGE = 1_000;
const tags = ["cabinet"];

export const CabinetError = z.object({ errorMessage: z.string() }).openapi("CabinetError");

// "[a-z0-9_]{4,32}"
export const login = z
  .string()
  .regex(/^[a-z0-9_]{4,32}$/, "has 4 to 32 characters, of a-z, 0-9 and _")
  .openapi({ example: "danila_ginda" });

// "((?=.*\d)(?=.*[a-z])(?=.*[A-Z]).{8,20})"
const password = z
  .string()
  .regex(
    /^(?=.*\d)(?=.*[a-z])(?=.*[A-Z]).{8,20}$/u,
    "has 8 to 20 characters, with a digit, a lower and an upper case letter",
  )
  .openapi({ example: "Password2024", pattern: "^(?=.*\\d)(?=.*[a-z])(?=.*[A-Z]).{8,20}$" });

// "^(.+)@(.+)\.(.+)$": bounded before it is matched, since it takes the cube of the length; and one address, not
// what a mailer would read as several.
const EMAIL = /^(.+)@(.+)\.(.+)$/;
const NOT_IN_AN_ADDRESS = /[\s\p{Cc}\p{Cs}<>,;]/u;
const email = z
  .string()
  .refine(
    (value) => value.length <= MAX_EMAIL_CHARACTERS && EMAIL.test(value) && !NOT_IN_AN_ADDRESS.test(value),
    "must be an e-mail address",
  )
  .openapi({ example: "danila@example.org" });

// "[А-Я]{1}[а-я ]{1,255}", and Ё, which stands outside these ranges.
const name = z
  .string()
  .normalize("NFC")
  .regex(/^[А-ЯЁ][а-яё ]{1,255}$/, "has 2 to 256 Cyrillic letters, the first one a capital");
const nothing = z.literal("");

const isRealDate = (value: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(value) &&
  !Number.isNaN(Date.parse(`${value}T00:00:00Z`)) &&
  new Date(`${value}T00:00:00Z`).toISOString().startsWith(value);

/** What the editor takes for each field; what a field says already always passes. */
export const EDITED = {
  first_name: name,
  last_name: name,
  patronymic: z.union([nothing, name], 'has 2 to 256 Cyrillic letters, the first one a capital, or is ""'),
  birthday: z
    .string()
    .refine((value) => value === "" || isRealDate(value), 'must be a date YYYY-MM-DD or ""'),
  description: text(0, MAX_DESCRIPTION_CHARACTERS),
  background_color: z.string().regex(/^#[0-9a-f]{6}$/i, "must be a colour such as #005CC9"),
} as const;

const Named = z.object({ id: z.number().int(), name: z.string() }).openapi("CabinetNamed");

const person = {
  id: z.number().int().openapi({ example: 1 }),
  login: like("danila_ginda"),
  email: like("danila@example.org").openapi({ description: '"" where it is hidden' }),
  first_name: like("Данила"),
  last_name: like("Гинда"),
  created_at: z.string().openapi({ example: "2024-03-07 23:32:53.818302" }),
  description: like("Backend Developer from Voskresensk"),
  background_color: like("#005CC9"),
  birthday: z.string().openapi({ example: "2005-04-07", description: '"" where it is absent or hidden' }),
  patronymic: like(""),
  avatar: like("https://example.com/avatars/4cb81bf5-4520-4861-85d2-ec7ceb744115.svg").openapi({
    description: "The address of a picture",
  }),
  groups: z.array(Named).openapi({ example: [{ id: 2, name: "staff" }] }),
  roles: z.array(Named).openapi({ example: [{ id: 3, name: "editor" }] }),
};
const Person = z.object(person).openapi("CabinetPerson");
const Profile = z
  .object({ ...person, permissions: z.array(like("blog.moderate")), token: like("eyJhbG...access") })
  .openapi("CabinetProfile");

const browser = {
  headers: z.object({ browser: z.string().optional().openapi({ example: "Firefox 124.0" }) }),
};

export const register = createRoute({
  method: "post",
  path: "/account/registration",
  tags,
  summary: "Registration; answers the profile with a token",
  request: {
    ...browser,
    ...body(
      z.object({
        login,
        password,
        email,
        first_name: name.openapi({ example: "Данила" }),
        last_name: name.openapi({ example: "Гинда" }),
        patronymic: EDITED.patronymic.nullish(),
        invitation: text(1, 256).optional().openapi({ description: "The code of an invitation" }),
      }),
    ),
  },
  responses: { 200: answer(Profile, "Registered"), ...failures(CabinetError, 400, 403, 413, 415, 503) },
});

export const signIn = createRoute({
  method: "post",
  path: "/account/login",
  tags,
  summary: "Sign in with the login or the e-mail address",
  request: {
    ...browser,
    ...body(
      z
        .object({
          password: z.string().min(1).openapi({ example: "Password2024" }),
          login: like("danila_ginda").nullish(),
          email: z.string().nullish(),
        })
        .refine((given) => given.login || given.email, "login or email is required"),
    ),
  },
  responses: { 200: answer(Profile, "Signed in"), ...failures(CabinetError, 400, 403, 413, 415, 503) },
});

export const checkLogin = createRoute({
  method: "get",
  path: "/account/login/check",
  tags,
  summary: "Whether a login is free and may be registered here",
  request: { query: z.object({ login: z.string() }) },
  responses: {
    200: answer(
      z.object({
        message: like("This login is free."),
        is_login_available: z.boolean().openapi({ example: true }),
      }),
      "The answer",
    ),
    ...failures(CabinetError, 400, 503),
  },
});

export const me = createRoute({
  method: "get",
  path: "/account/me",
  tags,
  security: TOKEN,
  summary: 'The own profile, with the token that came in the header ("" with the cookie)',
  responses: { 200: answer(Profile, "The profile"), ...failures(CabinetError, 401, 503) },
});

const Info = z
  .object({
    first_name: z.string(),
    last_name: z.string(),
    patronymic: z.string(),
    birthday: z.string(),
    description: z.string(),
    background_color: z.string(),
  })
  .openapi("CabinetInfo", {
    example: {
      background_color: "#e209e5",
      first_name: "Данила",
      last_name: "Гинда",
      patronymic: "",
      birthday: "2005-04-07",
      description: "Backend Developer from Voskresensk",
    },
  });
export type InfoFields = z.infer<typeof Info>;

// What is unchanged passes whatever it is, so that only the handler can judge.
const InfoChanges = Info.partial().openapi("CabinetInfoChanges", {
  example: { birthday: "2005-04-07", background_color: "#e209e5" },
});
export type InfoChanges = z.infer<typeof InfoChanges>;

export const editInfo = createRoute({
  method: "post",
  path: "/account/edit/info",
  tags,
  security: TOKEN,
  summary: 'Change the fields that are sent; "" clears patronymic and birthday',
  request: body(InfoChanges),
  responses: { 200: answer(Info, "All six fields"), ...failures(CabinetError, 400, 401, 403, 413, 415, 503) },
});

export const editAvatar = createRoute({
  method: "post",
  path: "/account/edit/avatar",
  tags,
  security: TOKEN,
  summary: "Upload a PNG, JPEG or WebP picture of up to 2 MiB and 4096 pixels each way",
  request: {
    body: {
      required: true,
      content: {
        "multipart/form-data": {
          schema: z.object({ avatar: z.string().openapi({ format: "binary" }) }),
        },
      },
    },
  },
  responses: {
    200: answer(z.object({ avatar: person.avatar }), "Where the picture is"),
    ...failures(CabinetError, 400, 401, 403, 413, 415, 503),
  },
});

export const listUsers = createRoute({
  method: "get",
  path: "/info/users",
  tags,
  summary: "Get all users, oldest first; streamed, or a page with limit and after",
  request: {
    query: z.object({
      limit: queryInteger(1, MAX_PAGE).optional().openapi({ type: "integer" }),
      after: queryInteger(0, Number.MAX_SAFE_INTEGER).optional().openapi({ type: "integer" }),
    }),
  },
  responses: { 200: answer(z.array(Person), "The users"), ...failures(CabinetError, 400, 503) },
});

export const findUser = createRoute({
  method: "get",
  path: "/info/users/search-{key}",
  tags,
  summary: "Get a user by login or id; digits are an id first",
  request: { params: z.object({ key: z.string().openapi({ example: "danila_ginda" }) }) },
  responses: { 200: answer(Person, "The user"), ...failures(CabinetError, 404, 503) },
});
