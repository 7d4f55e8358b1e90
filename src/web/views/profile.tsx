import { call } from "../api.ts";
import { t } from "../i18n.ts";
import { useAction } from "../load.ts";
import { account, readAccount } from "../session.ts";
import { FailureNote } from "../ui/failure.tsx";
import { Avatar, Badge, Title } from "../ui/parts.tsx";
import { AccountForm } from "./profile/account-form.tsx";
import { PersonalForm } from "./profile/personal-form.tsx";

export function ProfileTabs({ at }: { readonly at: "about" | "security" }) {
  return (
    <nav class="tabs" aria-label={t("profile")}>
      <a href="/profile" aria-current={at === "about" ? "page" : undefined}>
        {t("aboutYou")}
      </a>
      <a href="/profile/security" aria-current={at === "security" ? "page" : undefined}>
        {t("security")}
      </a>
    </nav>
  );
}

export function Profile() {
  return (
    <div class="reading">
      <Title text={t("profile")} />
      <ProfileTabs at="about" />
      <Picture />
      <AccountForm />
      <PersonalForm />
      <Memberships />
    </div>
  );
}

function Picture() {
  const uploading = useAction(async (file: File) => {
    const form = new FormData();
    form.set("avatar", file);
    await call("POST", "/account/edit/avatar", { form });
    await readAccount();
  });
  const who = account.value;
  if (!who) return null;
  return (
    <section class="card" aria-labelledby="picture">
      <h2 id="picture">{t("picture")}</h2>
      <div class="person">
        <Avatar name={who.me.full_name ?? who.person.login} src={who.person.avatar} size="large" />
        <div>
          <label class="button">
            {t("uploadPicture")}
            <input
              class="sr-only"
              type="file"
              accept="image/png,image/jpeg,image/webp"
              disabled={uploading.isRunning}
              onChange={(event) => {
                const file = event.currentTarget.files?.[0];
                if (file !== undefined) void uploading.run(file);
                event.currentTarget.value = "";
              }}
            />
          </label>
          <p class="field-hint">{t("pictureHint")}</p>
        </div>
      </div>
      <FailureNote error={uploading.failure} />
    </section>
  );
}

function Memberships() {
  const who = account.value;
  if (!who) return null;
  const { roles, groups } = who.person;
  return (
    <section class="card" aria-labelledby="memberships">
      <h2 id="memberships">{t("memberships")}</h2>
      {roles.length + groups.length === 0 ? (
        <p class="muted">{t("noMemberships")}</p>
      ) : (
        <p class="inline">
          {roles.map((role) => (
            <Badge key={`role ${role.id}`} tone="accent">
              {role.name}
            </Badge>
          ))}
          {groups.map((group) => (
            <Badge key={`group ${group.id}`}>{group.name}</Badge>
          ))}
        </p>
      )}
    </section>
  );
}
