//! What the programs work on: generated, the same each time.

use std::fmt::Write as _;

/// Functions that call each other, with tables, loops and switches for the optimiser.
pub fn c_source() -> String {
    let mut text = String::from("#include <stddef.h>\n#include <string.h>\n");
    for index in 0..350 {
        let _ = write!(
            text,
            "static const int table{index}[8] = {{{index}, 2, 3, 5, 7, 11, 13, {}}};\n\
             int function{index}(int x, char *text) {{\n  int sum = 0;\n  \
               for (size_t i = 0; i < 8; i++) sum += table{index}[i] * (x ^ (int)i);\n  \
               if (strlen(text) > {index}) sum ^= text[{index}];\n  \
               switch (sum % 5) {{\n    case 0: sum += 3; break;\n    case 1: sum <<= 2; break;\n    \
                 default: sum -= x;\n  }}\n",
            index * index
        );
        if index > 0 {
            let _ = writeln!(text, "  sum += function{}(sum & 15, text);", index - 1);
        }
        text.push_str("  return sum;\n}\n");
    }
    text
}

/// Containers of containers, for the template machinery.
pub const CXX_SOURCE: &str = r#"
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>
template <int N> struct Tree {
    std::map<std::string, std::vector<Tree<N - 1>>> children;
    std::function<int(int)> action;
    std::size_t size() const {
        std::size_t sum = 1;
        for (auto &[name, list] : children)
            for (auto &child : list) sum += child.size() + name.size();
        return sum;
    }
};
template <> struct Tree<0> { std::size_t size() const { return 1; } };
std::size_t grow(const std::string &text) {
    Tree<12> tree;
    std::unordered_map<std::string, std::set<std::string>> index;
    std::regex word("[a-z]+");
    for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end; ++it)
        index[it->str()].insert(text.substr(it->position(), 8));
    std::vector<std::shared_ptr<std::string>> all;
    for (auto &[key, values] : index)
        for (auto &value : values) all.push_back(std::make_shared<std::string>(key + value));
    std::sort(all.begin(), all.end(), [](auto &a, auto &b) { return *a < *b; });
    return tree.size() + all.size();
}
"#;

/// Words counted, objects linked, JSON written and read.
pub const PYTHON: &str = r#"
import collections, json, random, re
random.seed(7)
letters = "abcdefghijklmnopqrstuvwxyz"
words = ["".join(random.choices(letters, k=random.randint(2, 12))) for _ in range(50000)]
text = " ".join(random.choices(words, k=400000))
counts = collections.Counter(re.findall(r"[a-z]+", text))
class Node:
    def __init__(self, value):
        self.value, self.left, self.right = value, None, None
def insert(root, value):
    while True:
        side = "left" if value < root.value else "right"
        child = getattr(root, side)
        if child is None:
            setattr(root, side, Node(value))
            return
        root = child
root = Node("m")
for word in words:
    insert(root, word)
table = [{"word": word, "count": counts[word], "marks": [ord(c) for c in word]} for word in words]
for _ in range(3):
    table = json.loads(json.dumps(table))
lines = ["%s=%d" % (row["word"], row["count"]) for row in table]
big = sorted(lines * 5)
assert len(big) == 250000
"#;

/// Rows inserted, indexed, joined, grouped and changed.
pub const SQL: &str = "
create table a(id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
insert into a select i, 'name' || (i * 7919 % 65521), i * 0.5 from n;
create index by_name on a(name);
create table b as select name, count(*) as c, sum(value) as s from a group by name;
create index b_name on b(name);
select count(*), sum(a.value - b.s) from a join b on a.name = b.name where a.id % 3 = 0;
update a set name = name || '-' || id where id % 2 = 0;
delete from a where id % 5 = 0;
select name, group_concat(id) from a group by name order by name desc limit 5;
";

/// Linear arithmetic with functions, in frames that come and go, and a pigeonhole.
pub fn smt() -> String {
    let mut text =
        String::from("(set-logic ALL)\n(declare-fun f (Int) Int)\n(declare-fun g (Int Int) Int)\n");
    for index in 0..60 {
        let _ = writeln!(text, "(declare-const x{index} Int)");
    }
    for frame in 0..90 {
        text.push_str("(push)\n");
        for index in 0..59 {
            let other = (index * 17 + frame * 5) % 60;
            let _ = writeln!(
                text,
                "(assert (or (< (+ x{index} {frame}) (f x{other})) (= (g x{index} x{other}) (f x{})) \
                 (> (* 3 x{other}) (+ x{index} {}))))",
                index + 1,
                (index * frame) % 23
            );
        }
        text.push_str("(check-sat)\n(pop)\n");
    }
    const HOLES: usize = 8;
    for pigeon in 0..=HOLES {
        for hole in 0..HOLES {
            let _ = writeln!(text, "(declare-const p{pigeon}_{hole} Bool)");
        }
        let any: Vec<_> = (0..HOLES).map(|hole| format!("p{pigeon}_{hole}")).collect();
        let _ = writeln!(text, "(assert (or {}))", any.join(" "));
    }
    for hole in 0..HOLES {
        for one in 0..=HOLES {
            for other in 0..one {
                let _ = writeln!(
                    text,
                    "(assert (or (not p{one}_{hole}) (not p{other}_{hole})))"
                );
            }
        }
    }
    text.push_str("(check-sat)\n");
    text
}

/// A stream for `git fast-import`: files that change a little from commit to commit.
pub fn git_history() -> String {
    let mut text = String::new();
    for commit in 0..90 {
        let _ = write!(
            text,
            "commit refs/heads/main\ncommitter nobody <nobody@localhost> {} +0000\ndata 4\nmore\n",
            1_700_000_000 + commit
        );
        for file in (0..60).filter(|file| (file + commit) % 3 == 0) {
            let content = file_content(file, commit);
            let _ = write!(
                text,
                "M 100644 inline file{file}.txt\ndata {}\n{content}\n",
                content.len()
            );
        }
    }
    text
}

fn file_content(file: usize, commit: usize) -> String {
    let mut text = String::new();
    for line in 0..400 {
        let changed = if line % 40 == commit % 40 { commit } else { 0 };
        let value = (line * 7919 + file * 31 + changed) % 65_521;
        let _ = writeln!(text, "file {file} line {line} value {value}");
    }
    text
}

/// Strings cut and joined, hashes grown, objects dropped.
pub const RUBY: &str = r##"
words = (0...40000).map { |i| "word#{(i * 7919) % 65521}" }
index = Hash.new { |hash, key| hash[key] = [] }
words.each_with_index { |word, i| index[word[0, 6]] << "#{word}-#{i}" }
Node = Struct.new(:name, :list, :parent)
root = nil
500000.times { |i| root = Node.new("n#{i}", [i, i + 1], i % 100 == 0 ? nil : root) }
text = words.join(" ")
40.times { text = text.split(" ").map { |w| w.reverse }.join(" ") }
counts = text.scan(/[a-z]+/).tally
puts counts.size, index.size
"##;

/// Words counted, sorted, matched; lists of lists.
pub const PERL: &str = r#"
my (%count, @rows);
for my $i (0 .. 150000) {
    my $word = "word" . (($i * 7919) % 65521);
    $count{$word}++;
    push @rows, [$i, $word, { n => $i % 17, list => [1 .. $i % 5] }];
}
my @sorted = sort { $a->[1] cmp $b->[1] } @rows;
my $text = join(" ", map { $_->[1] } @sorted);
my %seen;
$seen{$1}++ while $text =~ /word(\d+)/g;
$text =~ s/word(\d)/w$1x/g for 1 .. 3;
print scalar(keys %seen), " ", length($text), "\n";
"#;
