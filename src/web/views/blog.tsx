import { get } from "../api.ts";
import { date } from "../format.ts";
import { t } from "../i18n.ts";
import { useLoad } from "../load.ts";
import { go, place } from "../router.ts";
import { account } from "../session.ts";
import type { ListedPost, Page } from "../shapes.ts";
import { Field, Form, textOf } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { Avatar, Badge, Empty, Pager, pictureOf, Shown, Title } from "../ui/parts.tsx";

const PER_PAGE = 10;

/** The list; search, page and drafts are in the address. */
export function Blog() {
  const { query } = place.value;
  const search = query.get("search") ?? "";
  const isDrafts = query.has("drafts") && account.value !== null;
  const page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1);
  const asked = new URLSearchParams({ page: String(page), limit: String(PER_PAGE) });
  if (search !== "") asked.set("search", search);
  if (isDrafts) asked.set("status", "draft");
  const posts = useLoad(`${asked}`, (signal) => get<Page<ListedPost>>(`/api/blogs/posts?${asked}`, signal));
  const address = (changes: Record<string, string>) => {
    const next = { ...(isDrafts ? { drafts: "1" } : {}), ...(search === "" ? {} : { search }), ...changes };
    return `/blog?${new URLSearchParams(next)}`;
  };
  return (
    <div class="reading">
      <Title
        text={t("blog")}
        aside={
          account.value !== null && (
            <a class="button primary" href="/blog/new">
              <Icon name="plus" />
              {t("newPost")}
            </a>
          )
        }
      />
      {account.value !== null && (
        <nav class="tabs" aria-label={t("blog")}>
          <a href="/blog" aria-current={isDrafts ? undefined : "page"}>
            {t("published")}
          </a>
          <a href="/blog?drafts=1" aria-current={isDrafts ? "page" : undefined}>
            {t("drafts")}
          </a>
        </nav>
      )}
      <Form
        class="filters"
        label={t("searchPosts")}
        submit={t("search")}
        save={async (data) => go(address({ search: textOf(data, "search") }))}
      >
        <Field
          key={search}
          name="search"
          type="search"
          label={t("searchPosts")}
          value={search}
          maxLength={200}
        />
      </Form>
      <Shown of={posts} lines={8}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <div class="card">
              <Empty
                icon="blog"
                text={t(search !== "" ? "nothingFound" : isDrafts ? "noDrafts" : "noPosts")}
              />
            </div>
          ) : (
            <>
              {data.map((post) => (
                <ListedPostCard key={post.id} post={post} />
              ))}
              <Pager pagination={pagination} onPage={(next) => go(address({ page: String(next) }))} />
            </>
          )
        }
      </Shown>
    </div>
  );
}

function ListedPostCard({ post }: { readonly post: ListedPost }) {
  const author = post.author.full_name ?? t("somebody");
  return (
    <article class="card post-item">
      <h2>
        <a href={`/blog/${post.id}`}>{post.title}</a>{" "}
        {post.status === "draft" && <Badge tone="warn">{t("draft")}</Badge>}
      </h2>
      <p class="muted">{post.excerpt}</p>
      <p class="row-flex small muted">
        <Avatar name={author} src={pictureOf(post.author.id)} size="small" />
        <span>{author}</span>
        <time dateTime={post.created_at}>{date(post.created_at)}</time>
        <span class="push">{t("views", { n: post.views })}</span>
      </p>
    </article>
  );
}
