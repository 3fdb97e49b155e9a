// Opens the page of a report in a real browser and looks at it as readers do: `node page.mjs MODULES PAGE`, where MODULES is the folder
// that holds playwright-core, axe-core and parse5. Prints what is wrong, and then ends with 1.
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, page] = process.argv.slice(2).map((path) => resolve(path));
const load = createRequire(`${modules}/node_modules/`);
const { chromium } = load("playwright-core");
const axe = load.resolve("axe-core/axe.min.js");

const { parse } = await import(pathToFileURL(load.resolve("parse5")).href);

const problems = [];
const check = (holds, what) => holds || problems.push(what);

// A browser forgives what is no HTML; a strict parser names it.
parse(readFileSync(page, "utf8"), {
  sourceCodeLocationInfo: true,
  onParseError: ({ code, startLine, startCol }) => problems.push(`line ${startLine}, column ${startCol}: ${code}`),
});

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"],
});

async function opened(options, work) {
  const context = await browser.newContext(options);
  const tab = await context.newPage();
  const name = JSON.stringify(options);
  tab.on("console", (message) => check(!["error", "warning"].includes(message.type()), `${name}: console: ${message.text()}`));
  tab.on("pageerror", (error) => problems.push(`${name}: ${error}`));
  tab.on("request", (request) => check(request.url().startsWith("file:"), `${name}: asks the network for ${request.url()}`));
  await tab.goto(pathToFileURL(page).href);
  await work(tab, name);
  await context.close();
}

// Wide and narrow, light and dark: nothing sticks out sideways, and an automated check of accessibility finds nothing serious.
for (const width of [390, 1400]) {
  for (const colorScheme of ["light", "dark"]) {
    await opened({ viewport: { width, height: 900 }, colorScheme }, async (tab, name) => {
      const [inside, outside] = await tab.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      check(inside <= outside, `${name}: the page is ${inside} pixels wide`);
      await tab.addScriptTag({ path: axe });
      const { violations } = await tab.evaluate(() => axe.run({ resultTypes: ["violations"] }));
      for (const { id, impact, nodes, help } of violations) {
        const where = `${help} (${id}, ${nodes.length} times, first ${nodes[0].target})`;
        check(!["serious", "critical"].includes(impact), `${name}: ${where}: ${nodes[0].html.slice(0, 200)}`);
      }
    });
  }
}

await opened({ viewport: { width: 1400, height: 900 } }, async (tab) => {
  // Every link leads somewhere: to a place on the page, or to a file beside it.
  const links = await tab.$$eval("a[href]", (all) => all.map((a) => a.getAttribute("href")));
  for (const link of new Set(links)) {
    if (link.startsWith("#")) {
      check(await tab.evaluate((id) => document.getElementById(id) !== null, link.slice(1)), `no place ${link}`);
    } else if (!/^https?:/.test(link)) {
      check(existsSync(resolve(dirname(page), link)), `no file ${link}`);
    }
  }
  const ids = await tab.$$eval("[id]", (all) => all.map((e) => e.id));
  check(new Set(ids).size === ids.length, "an id occurs twice");

  // What holds is folded, and unfolds when it is linked to.
  const open = (id) => tab.evaluate((id) => document.getElementById(id).closest("details").open, id);
  const [first] = await tab.$$eval(".claim details:not([open]) h2", (all) => all.map((e) => e.id));
  if (first) {
    await tab.evaluate((id) => (location.hash = id), first);
    await tab.waitForTimeout(100);
    check(await open(first), "a link to a claim does not unfold it");
  }
  await tab.$$eval(".claim details", (all) => all.forEach((e) => (e.open = true)));

  // Formulas and plots are there, and have a size.
  for (const [what, selector] of [["formula", "math"], ["plot", "figure svg"]]) {
    const sizes = await tab.$$eval(selector, (all) => all.map((e) => e.getBoundingClientRect().height));
    check(sizes.length > 0, `there is no ${what}`);
    check(sizes.every((height) => height > 0), `a ${what} has no height`);
  }
  const tex = await tab.$$eval("section", (all) => all.filter((e) => /\\(frac|le|sqrt|lVert|eta)\b/.test(e.innerText)).length);
  check(tex === 0, "raw TeX is shown");
  const named = await tab.$$eval("figure svg", (all) => all.every((e) => e.querySelector("title, desc") !== null));
  check(named, "a plot has no text alternative");

  // The filter and the order of the table.
  const rows = () => tab.$$eval("table.claims tbody tr:not([hidden]) th code", (all) => all.map((e) => e.textContent));
  const all = await rows();
  await tab.fill("#filter-text", all[0]);
  const some = await rows();
  check(some.includes(all[0]) && (some.length < all.length || all.length === 1), `the filter shows ${some.length} of ${all.length}`);
  await tab.fill("#filter-text", "no claim says this");
  check((await rows()).length === 0, "a filter that fits nothing shows something");
  await tab.fill("#filter-text", "");
  const margins = () => tab.$$eval("table.claims tbody tr td:nth-child(3)", (all) => all.map((e) => e.dataset.value));
  await tab.click("table.claims thead th:nth-child(3) button");
  const sorted = (await margins()).filter((text) => text !== "").map(Number);
  check(sorted.every((x, k) => k === 0 || sorted[k - 1] <= x), "margins are not in order");
  await tab.click("table.claims thead th:nth-child(1) button");
  check((await rows()).join() === all.join(), "the order of the paper does not come back");
});

// Without script all of it is there.
await opened({ javaScriptEnabled: false }, async (tab) => {
  check((await tab.locator("table.claims tbody tr").count()) > 0 && (await tab.locator(".filter").count()) === 0, "without script");
});

// On paper: the PDF has pages.
await opened({}, async (tab) => check((await tab.pdf()).length > 10_000, "nothing is printed"));

await browser.close();
problems.forEach((problem) => console.error(problem));
console.log(problems.length === 0 ? "the page is sound in Chromium" : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
