// Work shared out among threads.
#pragma once

#include <cstdint>
#include <thread>
#include <vector>

// Call work(number of the thread) in each of several threads, this one among them, and wait for all.
template <typename Work>
void in_threads(int64_t threads, Work work) {
    std::vector<std::thread> others;
    for (int64_t number = 1; number < threads; ++number) others.emplace_back(work, number);
    work(0);
    for (auto& other : others) other.join();
}
