import { render } from "preact";
import { startLanguage } from "./i18n.ts";
import { startRouter } from "./router.ts";
import { watchSession } from "./session.ts";
import { startTheme } from "./theme.ts";
import { watchOtherTabs } from "./tokens.ts";
import { Shell } from "./ui/shell.tsx";
import { Views } from "./views.tsx";

startTheme();
startRouter();
watchOtherTabs();
watchSession();
await startLanguage();

function App() {
  return (
    <Shell>
      <Views />
    </Shell>
  );
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
