// The curve under the plots: whatever is asked of it equals a walk over all points.
#include "gui/pyramid.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace weft::gui {
namespace {

struct Points {
    std::vector<std::int64_t> times;
    std::vector<double> values;

    Pyramid::Column between(std::int64_t t0, std::int64_t t1) const {
        Pyramid::Column column;
        for (std::size_t i = 0; i < times.size(); ++i) {
            if (times[i] < t0 || times[i] >= t1) continue;
            if (column.count++ == 0) column.min = column.max = column.first = values[i];
            column.min = std::min(column.min, values[i]);
            column.max = std::max(column.max, values[i]);
            column.last = values[i];
        }
        return column;
    }
};

void expectEqual(const Pyramid::Column& a, const Pyramid::Column& b) {
    ASSERT_EQ(a.count, b.count);
    if (a.count == 0) return;
    EXPECT_EQ(a.min, b.min);
    EXPECT_EQ(a.max, b.max);
    EXPECT_EQ(a.first, b.first);
    EXPECT_EQ(a.last, b.last);
}

TEST(Pyramid, ColumnsEqualAWalkOverAllPoints) {
    std::mt19937_64 random{7};
    for (const std::size_t size : {0u, 1u, 2u, 15u, 16u, 17u, 255u, 256u, 257u, 4'097u, 9'000u}) {
        Pyramid pyramid;
        Points points;
        std::int64_t t = 0;
        for (std::size_t i = 0; i < size; ++i) {
            t += std::int64_t(random() % 5 * (random() % 50 == 0 ? 1'000 : 1));
            const double value = double(random() % 10'000);
            pyramid.append(t, value);
            points.times.push_back(t);
            points.values.push_back(value);
        }
        for (int round = 0; round < 20; ++round) {
            const std::int64_t t0 = std::int64_t(random() % std::uint64_t(t + 10)) - 5;
            const std::int64_t t1 = t0 + 1 + std::int64_t(random() % std::uint64_t(t + 10));
            std::vector<Pyramid::Column> columns(1 + random() % 40);
            pyramid.columns(t0, t1, columns);
            const std::int64_t n = std::int64_t(columns.size());
            for (std::int64_t i = 0; i < n; ++i) {
                const std::int64_t from = t0 + (t1 - t0) * i / n, to = t0 + (t1 - t0) * (i + 1) / n;
                expectEqual(columns[std::size_t(i)], points.between(from, to));
            }
        }
    }
}

TEST(Pyramid, ATimeThatRunsBackCountsAsTheLastOne) {
    Pyramid pyramid;
    pyramid.append(100, 1);
    pyramid.append(50, 2);
    EXPECT_EQ(pyramid.timeAt(1), 100);
    EXPECT_EQ(pyramid.held(100), 2);
    EXPECT_EQ(pyramid.held(99), std::nullopt);
}

TEST(Pyramid, AtItsLimitItKeepsExtremesAndSaysHowManyPointsWent) {
    Pyramid pyramid{1'000};
    std::mt19937_64 random{3};
    double least = 1e9, most = -1e9;
    for (int i = 0; i < 100'000; ++i) {
        const double value = double(random() % 1'000'000);
        least = std::min(least, value);
        most = std::max(most, value);
        pyramid.append(i, value);
    }
    EXPECT_LE(pyramid.size(), 1'000u);
    EXPECT_EQ(pyramid.size() + pyramid.thinned(), 100'000u);
    std::array<Pyramid::Column, 1> all;
    pyramid.columns(0, 100'000, all);
    EXPECT_EQ(all[0].min, least);
    EXPECT_EQ(all[0].max, most);
}

}  // namespace
}  // namespace weft::gui
