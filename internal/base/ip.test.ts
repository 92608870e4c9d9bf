/** Which addresses are read, which ranges hold them, and which are the public internet's. */
import { expect, test } from "bun:test";
import { holds, isPublic, parseIp, parseIpRange } from "./ip.ts";

const publicOf = (text: string) => {
  const ip = parseIp(text);
  if (!ip) throw new Error(`${text} was not read`);
  return isPublic(ip);
};

test.each([
  "1.1.1.1",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "223.255.255.255",
  "::ffff:1.1.1.1",
  "2606:4700:4700::1111",
  "2001:200::1",
  "3ffe::1",
])("%s is public", (text) => expect(publicOf(text)).toBe(true));

test.each([
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "100.100.100.200",
  "127.0.0.1",
  "127.255.255.254",
  "168.63.129.16",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.0.1",
  "198.19.0.1",
  "198.51.100.7",
  "203.0.113.7",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "0:0:0:0:0:ffff:a9fe:a9fe",
  "64:ff9b::7f00:1",
  "64:ff9b::1.1.1.1",
  "64:ff9b:1::1",
  "100::1",
  "2001::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "3fff::1",
  "4000::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
])("%s is not public", (text) => expect(publicOf(text)).toBe(false));

test.each([
  "",
  "1",
  "1.2.3",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.4.5",
  "a.b.c.d",
  ":",
  ":::",
  "1::2::3",
  "g::",
  "12345::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "::1.2.3.300",
])("%p is no address", (text) => expect(parseIp(text)).toBeUndefined());

test.each([
  // range                 holds             does not
  ["10.0.0.0/8", "10.255.0.1", "11.0.0.0"],
  ["192.168.1.10", "192.168.1.10", "192.168.1.11"],
  ["192.168.1.10/31", "192.168.1.11", "192.168.1.12"],
  ["127.0.0.1:8080", "::ffff:127.0.0.1", "127.0.0.2"],
  ["fd00::/8", "fdff::1", "fe00::1"],
  ["[fd00::1]:80", "fd00::1", "fd00::2"],
  ["0.0.0.0/0", "8.8.8.8", "::1"],
])("%s holds %s and not %s", (text, inside, outside) => {
  const range = parseIpRange(text);
  const [one, other] = [parseIp(inside), parseIp(outside)];
  if (!range || !one || !other) throw new Error("it was not read");
  expect([holds(range, one), holds(range, other)]).toEqual([true, false]);
});

test("a port stands behind an address; what is no range is not read", () => {
  expect(parseIpRange("127.0.0.1:8080")?.port).toBe(8080);
  expect(parseIpRange("[::1]:80")?.port).toBe(80);
  expect(parseIpRange("::1")?.port).toBeNull();
  for (const text of [
    "",
    "localhost",
    "10.0.0.0/33",
    "::/129",
    "1.2.3.4:0",
    "1.2.3.4:70000",
    "10.0.0.0/8/8",
    "http://1.2.3.4",
  ])
    expect([text, parseIpRange(text)]).toEqual([text, undefined]);
});
