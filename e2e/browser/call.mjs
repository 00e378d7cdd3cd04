// Drives phones in headless Chromium, as one JSON argument says, and prints what
// they saw as JSON:
//
//   chromium  the program
//   page      where the page of the phone is
//   socket    the WebSocket of the server
//   phones    [{user, domain, password}], each in a browser context of its own;
//             all but the first answer
//   target    who is called by the first; without one it is called itself
//   packets   how many of sound have to go each way
//   patience  milliseconds that everything together may take
import { chromium } from 'playwright-core';

const job = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: job.chromium,
  args: [
    '--no-sandbox', // the tests may run as root, where there is none
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--allow-loopback-in-peer-connection', // the network of a test is loopback
    '--disable-features=WebRtcHideLocalIpsWithMdns',
  ],
});
const late = setTimeout(() => {
  console.error('the time is over');
  browser.close().finally(() => process.exit(1));
}, job.patience);
const seen = { registered: [], media: [] };
try {
  const pages = [];
  for (const phone of job.phones) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions: ['microphone'] });
    const page = await context.newPage();
    page.on('console', (m) => console.error(`${phone.user}: ${m.text()}`));
    page.on('pageerror', (e) => console.error(`${phone.user}: ${e}`));
    await page.goto(job.page);
    seen.registered.push(await page.evaluate((p) => window.phone.register(p), { ...phone, socket: job.socket }));
    pages.push(page);
  }
  const [caller, callee] = pages;
  const all = (f, ...args) => Promise.all(pages.map((p) => p.evaluate(f, ...args)));
  await Promise.all([
    caller.evaluate((t) => (t ? window.phone.call(t) : window.phone.called()), job.target),
    callee?.evaluate(() => window.phone.called()),
  ]);
  seen.media = await all((n) => window.phone.media(n), job.packets);
  await caller.evaluate(() => window.phone.hangUp());
  await all(() => window.phone.ended());
  await all(() => window.phone.unregister());
  console.log(JSON.stringify(seen));
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
} finally {
  clearTimeout(late);
  await browser.close();
}
