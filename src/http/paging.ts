import { z } from "@hono/zod-openapi";
import type { Page, Paged } from "../domain/paging.ts";
import { queryInteger } from "./input.ts";

const MAX_PAGE = 1_000_000_000;
const MAX_LIMIT = 100;

/** `?page=` from 1 and `?limit=`; what is out of range is refused, not clamped. */
export const pageQuery = (defaultLimit: number) => ({
  page: queryInteger(1, MAX_PAGE).default(1).openapi({ type: "integer", default: 1 }),
  limit: queryInteger(1, MAX_LIMIT).default(defaultLimit).openapi({ type: "integer", default: defaultLimit }),
});

export type PageInput = { readonly page: number; readonly limit: number };

export const pageOf = ({ page, limit }: PageInput): Page => ({ limit, offset: (page - 1) * limit });

export const Pagination = z
  .object({
    page: z.number().int(),
    limit: z.number().int(),
    total: z.number().int(),
    pages: z.number().int(),
  })
  .openapi("Pagination");

/** The lists of the accounts API. */
export const paged = <Row, Spelled>(
  { rows, total }: Paged<Row>,
  { page, limit }: PageInput,
  spell: (row: Row) => Spelled,
) => ({
  data: rows.map(spell),
  pagination: { page, limit, total, pages: Math.ceil(total / limit) },
});
