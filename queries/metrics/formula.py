"""
The little language in which the catalogue states formulas.

An expression over metric keys with + - * / **, parentheses, numbers, one optional comparison, and:
`or_zero(x)` an absent x counts as nothing; `abs(x)`; `clamp(x, low, high)`;
`ttm(x)` the twelve months that end with the period; `average(x)` the mean of x at the end of the period and a year
before; `prior_year(x)` the same period a year before; `years_ago(x, n)` the same period n years before.
"""

import ast
import operator
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from operator import itemgetter
from typing import Literal

import msgspec


class FormulaInvalid(Exception):
    """A formula is not in the catalogue's language; the message quotes it."""


class Operand(msgspec.Struct, frozen=True):
    """
    One value a formula needs: a metric, how many years before the period, and over which span.

    `span` is "period" for the period asked about, "ttm" for the twelve months ending with it.
    `optional` operands count as zero when absent.
    """

    metric: str
    years_ago: int = 0
    span: Literal["period", "ttm"] = "period"
    optional: bool = False


Lookup = Callable[[Operand], Decimal | None]


NOTHING = Decimal(0)
"""What an absent optional operand counts as."""


class OperandMissing(Exception):
    """An operand has no value; `operand` names it."""

    def __init__(self, operand: Operand) -> None:
        super().__init__(operand.metric)
        self.operand = operand


_BINARY: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Decimal, Decimal], bool]] = {
    ast.LtE: operator.le,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
}

Places = dict[Operand, int]
"""Where each operand of a formula stands among its values."""

Evaluate = Callable[[Sequence[Decimal]], Decimal]
"""Works out (a part of) a formula from the values of its operands, in the order of `Formula.needs`."""


class Formula(msgspec.Struct, frozen=True):
    """
    A parsed formula: its text, the operands it needs, and the way to work it out.

    `parts` are the numerator and the denominator of a formula that is a quotient, or one less 1: `less_one`. They take
    the same values as the whole.
    """

    text: str
    needs: tuple[Operand, ...]
    evaluate: Evaluate
    parts: tuple[Evaluate, Evaluate] | None = None
    less_one: bool = False

    def operands(self) -> set[str]:
        """This will name every metric the formula mentions."""
        return {operand.metric for operand in self.needs}

    def compute(self, lookup: Lookup) -> Decimal:
        """
        This will work the formula out with the values `lookup` gives.

        Raises:
            OperandMissing: a required operand has no value.
            decimal.DivisionByZero, decimal.InvalidOperation: the arithmetic has no result.
        """
        return self.evaluate([_value(operand, lookup) for operand in self.needs])


def _value(operand: Operand, lookup: Lookup) -> Decimal:
    value = lookup(operand)
    if value is None:
        if not operand.optional:
            raise OperandMissing(operand)
        return NOTHING
    return value


@cache
def parse_formula(text: str) -> Formula:
    """
    This will parse a formula of the catalogue. A comparison yields 1 or 0.

    Raises:
        FormulaInvalid: the text is not in the language.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise FormulaInvalid(f"cannot read formula {text!r}: {error.msg}") from error
    places: Places = {}
    evaluate = _compile(tree, places, text)
    quotient, less_one = _quotient(tree)
    parts = None
    if quotient is not None:
        parts = _compile(quotient.left, places, text), _compile(quotient.right, places, text)
    return Formula(text, tuple(places), evaluate, parts, less_one)


def _quotient(tree: ast.expr) -> tuple[ast.BinOp | None, bool]:
    match tree:
        case ast.BinOp(op=ast.Div()):
            return tree, False
        case ast.BinOp(left=ast.BinOp(op=ast.Div()) as quotient, op=ast.Sub(), right=ast.Constant(value=1)):
            return quotient, True
    return None, False


def _compile(node: ast.expr, places: Places, text: str) -> Evaluate:
    match node:
        case ast.Constant(value=int() | float() as number):
            constant = Decimal(str(number))
            return lambda values: constant
        case ast.Name(id=key):
            return _operand(Operand(key), places)
        case ast.BinOp(base, ast.Pow(), ast.BinOp(ast.Constant(1), ast.Div(), ast.Constant(int() as degree))):
            radicand = _compile(base, places, text)
            return lambda values: _root(radicand(values), degree)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            apply = _BINARY[type(op)]
            a, b = _compile(left, places, text), _compile(right, places, text)
            return lambda values: apply(a(values), b(values))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            c = _compile(inner, places, text)
            return lambda values: -c(values)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            holds = _COMPARE[type(op)]
            a, b = _compile(left, places, text), _compile(right, places, text)
            return lambda values: Decimal(int(holds(a(values), b(values))))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _compile_call(name, args, places, text)
    raise FormulaInvalid(f"formula {text!r} uses something outside the language: {ast.dump(node)}")


def _compile_call(name: str, args: list[ast.expr], places: Places, text: str) -> Evaluate:
    match name, args:
        case "or_zero", [ast.Name(id=key)]:
            return _operand(Operand(key, optional=True), places)
        case "ttm", [ast.Name(id=key)]:
            return _operand(Operand(key, span="ttm"), places)
        case "prior_year", [ast.Name(id=key)]:
            return _operand(Operand(key, years_ago=1), places)
        case "years_ago", [ast.Name(id=key), ast.Constant(value=int() as years)]:
            return _operand(Operand(key, years_ago=years), places)
        case "average", [ast.Name(id=key)]:
            now, before = _operand(Operand(key), places), _operand(Operand(key, years_ago=1), places)
            return lambda values: (now(values) + before(values)) / 2
        case "abs", [inner]:
            a = _compile(inner, places, text)
            return lambda values: abs(a(values))
        case "clamp", [inner, low, high]:
            value, floor, ceiling = (_compile(arg, places, text) for arg in (inner, low, high))
            return lambda values: min(max(value(values), floor(values)), ceiling(values))
    raise FormulaInvalid(f"formula {text!r}: no function {name} with these arguments")


_TWENTY_DECIMALS = Decimal("0e-20")


def _root(value: Decimal, degree: int) -> Decimal:
    """
    The root of a number, by Newton's method: a tenth of what a power with a fraction takes.

    Each step doubles the digits that are right, from the fifteen of a float. Like any irrational number it is given
    with as many decimals as there is room for, also where it is a whole one.
    """
    if value < 0:
        raise InvalidOperation
    if not value:
        return NOTHING
    found = Decimal(float(value) ** (1 / degree))
    for _ in range(3):
        found -= (found**degree - value) / (degree * found ** (degree - 1))
    return found + _TWENTY_DECIMALS


def _operand(operand: Operand, places: Places) -> Evaluate:
    return itemgetter(places.setdefault(operand, len(places)))
