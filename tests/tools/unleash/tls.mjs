// Stands before a server and speaks TLS, with clients that have a certificate only, until standard input ends.
// Usage: tls.mjs FOLDER TARGET; FOLDER holds ca.pem, server.pem and server.key. Says its port.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';

const [folder, target] = process.argv.slice(2);
const read = (name) => readFileSync(`${folder}/${name}`);
const server = createServer(
  { ca: read('ca.pem'), cert: read('server.pem'), key: read('server.key'), requestCert: true, rejectUnauthorized: true },
  (asked, answer) => {
    const { method, headers } = asked;
    const passed = request(target + asked.url, { method, headers }, (reply) => {
      answer.writeHead(reply.statusCode, reply.headers);
      reply.pipe(answer);
    });
    asked.pipe(passed);
  },
);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.stdin.on('end', () => process.exit(0)).resume();
