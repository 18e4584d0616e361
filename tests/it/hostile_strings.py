# SPDX-License-Identifier: Apache-2.0
"""Texts that have meant something else to somebody's parser: more than 500, all different."""

SQL = [
    "'", "''", "'''", '"', '""', "`", "';", "');", "'))", "' --", "'--", "' #", "'/*", "*/", "/**/", "--", ";--", ";", "\\'", "\\\\'",
    "' or '1'='1", "' or 1=1--", "' or 1=1#", "' or 1=1/*", "') or ('1'='1", "')) or (('1'='1", '" or ""="', "1 or 1=1", "1) or (1=1",
    "' or true--", "' or 'x' like '%", "admin'--", "' union select null--", "' union select null,null,null--",
    "' union all select tenant_id from tenant--", "' union select hash from api_key--", "1 union select version()",
    "'; drop table job; --", "'; drop schema wardian cascade; --", "'; delete from job; --", "'; truncate tenant; --",
    "'; update tenant set state='deleting'; --", "'; insert into role_assignment default values; --", "'; alter role wardian_api bypassrls; --",
    "'; set wardian.tenant_id = '00000000-0000-7000-8000-000000000001'; --", "'; reset role; --", "'; set role wardian_owner; --",
    "' || set_config('wardian.tenant_id','00000000-0000-7000-8000-000000000001',true) || '", "' and pg_sleep(9)--",
    "'; select pg_sleep(9); --", "1;select pg_sleep(9)", "' || pg_sleep(9) || '", "'; copy job to '/tmp/x'; --",
    "'; copy (select 1) to program 'id'; --", "' and 1=cast((select current_user) as int)--", "' and 1=1::int/0--",
    "$$; drop table job; $$", "$tag$ x $tag$", "E'\\x27'", "U&'\\0027'", "\\x27", "%27", "%2527", "&#39;", "\u02bc or 1=1", "\u2019 or 1=1--",
    "\uff07 or 1=1--", "chr(39)", "current_user", "::uuid", "'::uuid", "null", "NULL", "default", "(select 1)", "{1,2,3}", "{\"a\"}", "{}",
    "[1,2)", "(1,2)", "1e1000", "' like '%", "%", "_", "%%%", "\\%", "~ '.*'", "x' at time zone 'utc", "infinity", "-infinity", "epoch", "now",
    "'; notify wardian; --", "'; lock table tenant; --", "'; begin; --", "'; commit; --", "'; rollback; --", "'; discard all; --",
    "'; do $$ begin perform pg_sleep(9); end $$; --", "order by 99", "' group by tenant_id having 1=1--", "' limit 1 offset 1--",
]
SHELL = [
    ";id", "|id", "||id", "&id", "&&id", "`id`", "$(id)", "${IFS}id", "$((1+1))", "\nid", "\r\nid", ";sleep 9", "|sleep 9", "`sleep 9`",
    "$(sleep 9)", "; cat /etc/passwd", "| cat /etc/shadow", "> /tmp/x", "< /etc/passwd", ">> /tmp/x", "2>&1", "-rf", "--help", "--version",
    "-o/tmp/x", "--output=/tmp/x", "-e id", "!!", "!id", "~root", "*", "?", "[a-z]", "{a,b}", "$HOME", "$0", "$@", "$'\\x69d'", "\\$(id)",
    "';id;'", "\";id;\"", "a;id;", "() { :;}; id", "%COMSPEC%", "^&calc", "@echo off", "nc -e /bin/sh", "/bin/sh -c id", "#!/bin/sh", "exec id",
]
PATHS = [
    "..", "../", "../..", "../../../../etc/passwd", "..\\..\\..\\windows\\win.ini", "/etc/passwd", "/", "//", "/.", "./", "./.", "....//",
    "....\\\\", "..;/", "..%2f", "..%252f", "%2e%2e%2f", "%2e%2e/", "%252e%252e%252f", "..%c0%af", "..%ef%bc%8f", "%c0%ae%c0%ae/", "..%00/",
    "x/../../y", "x/./y", "x//y", "C:\\", "\\\\host\\share", "file:///etc/passwd", "/proc/self/environ", "/proc/self/fd/0", "/dev/null",
    "/dev/zero", "/dev/tcp/127.0.0.1/80", "CON", "NUL", "COM1", "aux.txt", ".htaccess", ".git/config", "~/.ssh/id_rsa", "x" * 255, "x" * 256,
    "x" * 4096, "a/" * 200, "../" * 100, "x.", "x ", " x", ".x", "-x", "x\\", "x:y", "x|y", "x*y", "x?y", "x<y", "x>y", "\u2025/", "\u2024\u2024/",
    "\uff0e\uff0e/", "\u2215etc", "\u29f8etc",
]
TEMPLATES = [
    "{{7*7}}", "{{7*'7'}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{%25 x %25}", "{% x %}", "{{config}}", "{{self}}", "${{7*7}}", "@(7*7)", "*{7*7}",
    "~{7*7}", "[[7*7]]", "{{constructor.constructor('x')()}}", "${jndi:ldap://127.0.0.1:9/x}", "${jndi:dns://127.0.0.1:9/x}", "${env:HOME}",
    "${sys:user.name}", "%{7*7}", "$!{x}", "#set($x=7)", "<#assign x=7>", "{{#each x}}", "{{> x}}", "{$x}", "{php}id{/php}", "<?php id ?>",
    "<?= 7 ?>", "<%@ page %>", "T(java.lang.Runtime)", "__import__('os').system('id')", "process.mainModule", "require('fs')", "eval(7)",
    "{0}", "{0.__class__}", "{x!r}", "%(x)s", "{}".join(["a", "b"]),
]
FORMATS = [
    "%s", "%n", "%d", "%x", "%p", "%s%s%s%s%s%s%s%s", "%n%n%n%n", "%x%x%x%x%x%x", "%999999999d", "%.999999999s", "%*d", "%1$s", "%99999$s", "%hhn",
    "%ls", "%a", "%", "%%", "%Lf", "%c%c", "%08x.%08x", "%-999s", "%+d", "% d", "%#x", "%lln", "%v", "%T", "%{x}", "%<x>s",
]
MARKUP = [
    "<", ">", "&", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "javascript:alert(1)", "\"><b>", "'><b>",
    "</title>", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", "&e;", "&lt;", "&#0;", "&#x27;",
    "<?xml version='1.0'?>", "<x xmlns:xi='x'><xi:include href='file:///etc/passwd'/></x>", "data:text/html,x", "\\u003cb\\u003e", "\\", "\\\\",
    "\\\"", "\\u0000", "\\u0027", "\\x00", "\\0", "\\n", "\",\"x\":\"", "\"}", "\"}}", "{\"x\":1}", "[1]", "{\"$ne\":null}", "{\"$gt\":\"\"}",
    "{\"$where\":\"1\"}", "[$ne]", "true", "false", "undefined", "NaN", "Infinity", "-Infinity", "nil", "None", "[]", "{\"__proto__\":1}", "__proto__",
    "constructor", "toString", "hasOwnProperty", "=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|'/c calc'!A0", "=HYPERLINK(\"x\")", "a,b", "a;b", "a\tb",
    "a\nb", "a\r\nb", "a\rb", "\n", "\t", " ", "  ", "\r\n\r\n", "\r\nSet-Cookie: x=1", "\r\nHTTP/1.1 200 OK\r\n\r\n", "a: b",
]
DIRECTORIES = [
    "*)(uid=*", "*)(|(uid=*", "admin)(&)", "*))%00", "(cn=*)", "*()|&'", "x)(|(password=*))", "\\2a", "\\28", "' or count(/*)=1 or 'a'='b",
    "//*", "'] | //user | //*['", "x' or name()='x", "; ls", "ldap://127.0.0.1:9/x", "ldaps://x", "dict://127.0.0.1:9/", "gopher://127.0.0.1:9/",
    "http://127.0.0.1:9/", "http://169.254.169.254/latest/", "http://[::1]/", "ftp://x", "//127.0.0.1", "https://user@host/", "unix:/tmp/x",
]
UNICODE = [
    "\u00e9", "e\u0301", "\ufb01", "\u0130", "\u0131", "\u017f", "\u212a", "\u00df", "\u1e9e", "\u202e", "\u202e\u0074\u0078\u0074", "\u200b",
    "a\u200bb", "\u200d", "\ufeff", "\ufeffa", "\u2028", "\u2029", "\u0085", "\u00a0", "\u3000", "\u180e", "\u2060", "\u00ad", "\u061c", "\u034f",
    "\ufffd", "\ufffe", "\uffff", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0010ffff", "\U000e0041",
    "\ue000", "\u0300" * 20, "a" + "\u0301" * 60, "\u0627\u0644\u0639", "\u4e2d\u6587", "\u0e01\u0e33", "\u0915\u094d\u0937", "\u2126", "\uff41",
    "\u24d0", "\u1d00", "\ud7ff", "\u0660", "\u06f1", "\u2460", "\u00bd", "\u2155", "\u221e", "\u02bc", "\u00b4", "\u2032", "\u275b", "\u05d0\u05d1",
    "\u2066x\u2069", "\ud800", "\udfff", "\udc00\ud800", "a\ud83d", "\ude00a",
]
NUMBERS = [
    "0", "-0", "1", "-1", "00", "01", "0x7f", "0b1", "0o7", "1.0", "1.", ".5", "1e3", "1E+3", "1_000", "1,000", "127", "128", "255", "256", "32767",
    "32768", "65535", "65536", "2147483647", "2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "1" * 100, "1e309", "-1e309", "4.9e-324", "0.1", "+1", "1 ", "\u0661\u0662",
]
CONTROL = [f"a{chr(i)}b" for i in [*range(0x00, 0x20), 0x7f, *range(0x80, 0x90)]]
IDS = [
    "00000000-0000-7000-8000-000000000001", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "ten_0000000000e008000000000001", "usr_00000000000000000000000000", "job_7zzzzzzzzzzzzzzzzzzzzzzzzz", "job_8zzzzzzzzzzzzzzzzzzzzzzzzz", "prj_",
    "prj_'", "key_..", "default", "owner", "platform-operator", "platform", "wardian", "wardian_api", "me", "self", "*", "all", "bootstrap",
]
ALL = list(dict.fromkeys([*SQL, *SHELL, *PATHS, *TEMPLATES, *FORMATS, *MARKUP, *DIRECTORIES, *UNICODE, *NUMBERS, *CONTROL, *IDS]))
