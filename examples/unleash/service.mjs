// A small service with Unleash's own client: it asks for checkout-v2 for a thousand users, counts their requests, and
// tells the server. `node service.mjs 0.3` lets 30% of those with the feature fail.
import { initialize } from 'unleash-client';

const flag = 'checkout-v2';
const failing = Number(process.argv[2] ?? 0);
const unleash = initialize({
  url: `${process.env.UNLEASH_URL ?? 'http://127.0.0.1:4242'}/api`,
  appName: 'shop',
  environment: 'production',
  customHeaders: { Authorization: process.env.UNLEASH_CLIENT_TOKEN },
  refreshInterval: 1000,
  metricsInterval: 1000,
});
unleash.on('error', (error) => console.error(error.message));
await new Promise((resolve) => unleash.once('synchronized', resolve));

unleash.impactMetrics.defineCounter('shop_requests_total', 'requests');
unleash.impactMetrics.defineCounter('shop_failures_total', 'requests that failed');
let number = 0;
setInterval(() => {
  for (let request = 0; request < 20; request += 1) {
    number = (number + 1) % 1000;
    const context = { userId: `user-${number}`, properties: { email: number % 20 ? '' : 'ana@acme.example' } };
    const about = { flagNames: [flag], context };
    const fails = unleash.isEnabled(flag, context) && Math.random() < failing;
    unleash.impactMetrics.incrementCounter('shop_requests_total', 1, about);
    unleash.impactMetrics.incrementCounter('shop_failures_total', fails ? 1 : 0, about);
  }
}, 50);
