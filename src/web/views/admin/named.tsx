import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { call, get } from "../../api.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import type { Page } from "../../shapes.ts";
import { Confirm, Dialog } from "../../ui/dialog.tsx";
import { Field, Form, textOf } from "../../ui/form.tsx";
import { Empty, Pager, Shown } from "../../ui/parts.tsx";

const PER_PAGE = 20;

type Named = { readonly id: number; readonly name: string };

/** What is being made; its number comes from the server. */
const NEW_ID = 0;

type NamedProps<Item extends Named> = {
  /** Where they are listed and made; each is below it by its number. */
  readonly at: string;
  readonly blank: Omit<Item, "id" | "name">;
  readonly words: {
    readonly all: string;
    readonly make: string;
    readonly removeTitle: (name: string) => string;
    readonly removeText: string;
  };
  /** Such as the administrators' role. */
  readonly isFixed?: (item: Item) => boolean;
  readonly badges: (item: Item) => ComponentChildren;
  /** The dialog's fields besides the name. May show something else first while it loads. */
  readonly fields: (item: Item, form: (fields: ComponentChildren) => ComponentChildren) => ComponentChildren;
  /** What of the form is sent besides the name. */
  readonly sent: (form: FormData) => object;
};

/** Things with a name that administrators list, make, change and remove. */
export function NamedThings<Item extends Named>(props: NamedProps<Item>) {
  const { at, words, isFixed = () => false, badges } = props;
  const page = useSignal(1);
  const edited = useSignal<Item | null>(null);
  const removed = useSignal<Item | null>(null);
  const items = useLoad(`${page.value}`, (signal) =>
    get<Page<Item>>(`${at}?page=${page.value}&limit=${PER_PAGE}`, signal),
  );
  const edit = (item: Item | null) => () => {
    edited.value = item;
  };
  const remove = (item: Item | null) => () => {
    removed.value = item;
  };
  return (
    <section class="card" aria-label={words.all}>
      <button type="button" class="primary" onClick={edit({ ...props.blank, id: NEW_ID, name: "" } as Item)}>
        {words.make}
      </button>
      <Shown of={items}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty icon="people" text={t("nothingYet")} />
          ) : (
            <>
              <ul class="rows">
                {data.map((item) => (
                  <li key={item.id} class="row-flex">
                    <strong>{item.name}</strong>
                    {badges(item)}
                    {!isFixed(item) && (
                      <span class="inline push">
                        <RowButton verb={t("edit")} name={item.name} act={edit(item)} />
                        <RowButton verb={t("remove")} name={item.name} act={remove(item)} />
                      </span>
                    )}
                  </li>
                ))}
              </ul>
              <Pager
                pagination={pagination}
                onPage={(next) => {
                  page.value = next;
                }}
              />
            </>
          )
        }
      </Shown>
      {edited.value !== null && (
        <Edit {...props} item={edited.value} onChange={items.reload} onClose={edit(null)} />
      )}
      {removed.value !== null && (
        <Confirm
          title={words.removeTitle(removed.value.name)}
          text={words.removeText}
          confirm={t("remove")}
          act={async () => {
            await call("DELETE", `${at}/${removed.value?.id}`);
            await items.reload();
          }}
          onClose={remove(null)}
        />
      )}
    </section>
  );
}

type RowButtonProps = { readonly verb: string; readonly name: string; readonly act: () => void };

function RowButton({ verb, name, act }: RowButtonProps) {
  return (
    <button type="button" class="small" aria-label={`${verb}: ${name}`} onClick={act}>
      {verb}
    </button>
  );
}

type EditProps<Item extends Named> = NamedProps<Item> & {
  readonly item: Item;
  readonly onChange: () => Promise<void>;
  readonly onClose: () => void;
};

function Edit<Item extends Named>({ at, words, fields, sent, item, onChange, onClose }: EditProps<Item>) {
  const isNew = item.id === NEW_ID;
  const form = (children: ComponentChildren) => (
    <Form
      submit={t("save")}
      onDone={onClose}
      save={async (data) => {
        const body = { name: textOf(data, "name"), ...sent(data) };
        await call(isNew ? "POST" : "PUT", isNew ? at : `${at}/${item.id}`, { body });
        await onChange();
      }}
    >
      <Field name="name" label={t("name")} value={item.name} required maxLength={64} />
      {children}
    </Form>
  );
  return (
    <Dialog title={isNew ? words.make : item.name} onClose={onClose}>
      {fields(item, form)}
    </Dialog>
  );
}
