"""Which encoding a text file is in, found while it is read.

As long as a file is plain ASCII its encoding does not matter. At its first other byte the bytes from there on are
judged: a mark at the beginning decides; else UTF-8 if they are valid UTF-8, or nearly (then the odd byte is an error
that is named, not a reason to read the whole file as Latin-1); else the one of GB18030, Big5 and Windows-1252 in
which they make the most common characters. Files that turn non-ASCII only after millions of lines are thus read right,
without a pass of their own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from windvane.errors import InputError

UTF8 = "utf-8"
SAMPLE = 1 << 18
"""Bytes that are judged, from the first that is not ASCII."""

_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The standard's own superset is what programs write that say "gb2312".
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "big5": "cp950", "utf_8_sig": UTF8}
_STEP = 1 << 20
_SCARCE = 40  # bytes beyond ASCII with which it is worth looking further
_BEYOND = re.compile(rb"[\x80-\xff]")
_RUNS = re.compile(rb"[\x80-\xff]+")
_SOUND = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"  # well-formed UTF-8
)

# Characters that shops write all the time, simplified and traditional; where few characters are there to judge by,
# they weigh more than the tables of the encodings' first planes.
_HANS = frozenset(
    "订单编号商品名称标题数量价格单价金额总付款时间日期买家卖家客户会员店铺仓库发货收货状态类目品牌规格颜色尺码备注实付优惠"
    "运费退款地址电话手机省市区快递物流公司支付宝已未完成关闭交易成功的一是在不了有和人这中大为上个国我以要他时来用们生到作地于"
    "出就分对会可主年月动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加都两"
    "女男装鞋包新款春夏秋冬季白黑红蓝绿色棉纯长短袖裤裙衫套儿童婴食茶米油奶粉糖果酒苹香蕉件盒瓶袋斤克"
)
_HANT = frozenset(
    "訂單編號商品名稱標題數量價格單價金額總付款時間日期買家賣家客戶會員店鋪倉庫發貨收貨狀態類目品牌規格顏色尺碼備註實付優惠"
    "運費退款地址電話手機省市區快遞物流公司支付寶已未完成關閉交易成功的一是在不了有和人這中大為上個國我以要他時來用們生到作地於"
    "出就分對會可主年月動同工也能下過子說產種面而方後多定行學法所民得經十三之進著等部度家電力裡如水化高自二理起小物現實加都兩"
    "女男裝鞋包新款春夏秋冬季白黑紅藍綠色棉純長短袖褲裙衫套兒童嬰食茶米油奶粉糖果酒蘋香蕉件盒瓶袋斤克"
)
_PUNCTUATION = frozenset("，。、；：？！“”‘’（）【】《》—…·￥　～－％＋／")
# Windows-1252: letters of western European languages, and signs that shops write.
_WESTERN = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7} | frozenset(
    b"\x80\x85\x8a\x8c\x8e\x91\x92\x93\x94\x95\x96\x97\x99\x9a\x9c\x9e\x9f"
    b"\xa0\xa1\xa3\xa7\xa9\xaa\xab\xae\xb0\xb1\xb2\xb3\xb4\xb5\xb7\xba\xbb\xbc\xbd\xbe\xbf\xd7"
)


class Stream(Protocol):
    """Bytes to read."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none only at the end."""

    def close(self) -> None:
        """Let go of the file."""


def known(encoding: str) -> str:
    """The encoding that a name stands for; older Chinese ones as the wider ones that took their place.

    Raises:
        InputError: there is no such encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        with suppress(UnicodeError):
            b"a".decode(encoding)  # codecs such as hex are known, but make no text
    except (LookupError, ValueError):
        raise InputError(
            f"There is no encoding {encoding!r}.", "Name one such as utf-8, gb18030, big5, cp1252 or utf-16."
        ) from None
    return _WIDER.get(name.replace("-", "_"), name)


def marked(sample: bytes) -> str | None:
    """The encoding that the first bytes of a file state, or betray by their zeros."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    start = sample[: 1 << 12]
    start = start[: len(start) & ~1]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if 4 * odd > len(start) and not even:
        return "utf-16-le"
    if 4 * even > len(start) and not odd:
        return "utf-16-be"
    return None


def judged(sample: bytes) -> str:
    """The encoding of a text without a mark, from bytes of it that are not all ASCII.

    Args:
        sample: bytes from a whole character on; it may be cut inside one.

    Returns:
        ``utf-8``, ``gb18030``, ``cp950`` (Big5), ``big5hkscs`` or ``cp1252``.
    """
    high = sum(len(run) for run in _RUNS.findall(sample))
    sound = sum(len(found) for found in _SOUND.findall(sample))
    # Up to three bytes of a character may be cut off at the end.
    if sound >= high - 3 and _decoded(sample, UTF8) is not None:
        return UTF8
    if sound >= 0.9 * high:
        return UTF8
    scores = [(_western(sample), "cp1252")]
    for name, common in (("gb18030", _HANS), ("cp950", _HANT), ("big5hkscs", _HANT)):
        text = _decoded(sample, name)
        if text is not None:
            scores.append((_chinese(text, name, common), name))
    # Of equals the first: what reads as western text at all is not Chinese by chance.
    best, name = max(scores, key=lambda each: each[0])
    return name if best > 0.3 else UTF8


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample, final=False)
    except UnicodeDecodeError:
        return None


def _chinese(text: str, encoding: str, common: frozenset[str]) -> float:
    """How Chinese a text is, 0 to 1: the mean weight of its characters that are not ASCII."""
    weight, count = 0.0, 0
    for each in text:
        if each < "\x80":
            continue
        count += 1
        if each in common or each in _PUNCTUATION:
            weight += 1.0
        elif "\u4e00" <= each <= "\u9fff":
            weight += 0.8 if _first_plane(each, encoding) else 0.0
        elif "\uff01" <= each <= "\uff5e" or each in "®°±×℃①②③④⑤":
            weight += 0.8
    return weight / count if count else 0.0


def _first_plane(each: str, encoding: str) -> bool:
    """Whether a character is among the frequent ones, which the encodings' authors put first."""
    code = each.encode(encoding, errors="replace")
    if len(code) != 2:
        return False
    if encoding == "gb18030":
        return 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1
    return 0xA4 <= code[0] <= 0xC6


def _western(sample: bytes) -> float:
    """How western a text is, 0 to 1: the share of bytes beyond ASCII that are western letters standing alone."""
    total = good = 0
    for run in _RUNS.findall(sample):
        total += len(run)
        if len(run) <= 2:
            good += sum(code in _WESTERN for code in run)
    return good / total if total else 0.0


class Recoded:
    """A text file of any encoding, as UTF-8 without a mark.

    Args:
        stream: its bytes, from the beginning.
        label: shown name, for errors.
        encoding: its encoding, if that is known.

    Attributes:
        encoding: the encoding; ``utf-8`` as long as there is only ASCII.

    Raises:
        InputError: there is no such encoding.
    """

    def __init__(self, stream: Stream, label: str, encoding: str | None = None) -> None:
        self.encoding = known(encoding) if encoding else UTF8
        self._stream, self._label = stream, label
        self._pieces = self._found() if encoding is None else self._given()
        self._rest = b""
        self._wanted = _STEP

    def read(self, size: int, /) -> bytes:
        """``size`` bytes of UTF-8, fewer only at the end.

        Raises:
            InputError: a byte has no meaning in the encoding; names its line. UTF-8 itself is not checked here.
        """
        parts, have = [self._rest] if self._rest else [], len(self._rest)
        while have < size:
            self._wanted = max(size - have, _STEP)
            if (piece := next(self._pieces, None)) is None:
                break
            parts.append(piece)
            have += len(piece)
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]

    def close(self) -> None:
        """Close the stream underneath."""
        self._stream.close()

    def _found(self) -> Iterator[bytes]:
        """The file, its encoding found on the way."""
        data = exactly(self._stream, _STEP)
        name = marked(data)
        data = data.removeprefix(codecs.BOM_UTF8)
        while name is None:
            if not data.isascii() and (beyond := _BEYOND.search(data)):
                at = beyond.start()
                data += exactly(self._stream, max(0, SAMPLE - len(data) + at))
                if sum(map(len, _RUNS.findall(data, at))) < _SCARCE:
                    data += exactly(self._stream, _STEP << 2)
                name = judged(data[at:])
            elif data:
                yield data
                data = self._stream.read(self._wanted)
            else:
                return
        self.encoding = name
        yield from self._recoded(name, data)

    def _given(self) -> Iterator[bytes]:
        """The file in an encoding that was named."""
        pieces = self._recoded(self.encoding, exactly(self._stream, _STEP))
        yield next(pieces).removeprefix(codecs.BOM_UTF8)
        yield from pieces

    def _recoded(self, name: str, data: bytes) -> Iterator[bytes]:
        """The file from some data on, whose encoding is known."""
        if name == UTF8:
            yield data
            while data := self._stream.read(self._wanted):
                yield data
            return
        decoder = codecs.getincrementaldecoder(name)()
        line = 1
        while True:
            try:
                text = decoder.decode(data, final=not data)
                piece = text.encode()
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(name, errors="replace")
                raise self._refused(f"byte 0x{error.object[error.start]:02X} is not {name}", line, before) from None
            except UnicodeEncodeError as error:
                raise self._refused("half of a pair of surrogates stands alone", line, text[: error.start]) from None
            except UnicodeError as error:  # UTF-16 without its mark
                raise self._refused(str(error), line, "") from None
            line += piece.count(b"\n")
            yield piece
            if not data:
                return
            data = self._stream.read(_STEP)

    def _refused(self, what: str, line: int, before: str) -> InputError:
        row = line + before.count("\n")
        return InputError(
            f"{self._label}, line {row}: {what}.",
            'Correct the line, or name the file\'s true encoding in the mapping, such as encoding = "gb18030".',
            row=row,
        )


def exactly(stream: Stream, size: int) -> bytes:
    """``size`` bytes of a stream that may give fewer at a time; fewer only at its end."""
    data = stream.read(size) if size else b""
    if len(data) == size or not data:
        return data
    parts, missing = [data], size - len(data)
    while missing > 0 and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
