{# The days of a daily mart, as a subquery with one column `calendar_day`: every day of a relation, and every quiet day after
   the first of them and less than 400 days before the last. A day on which all was created at a time that cannot be, where
   `is_plausible` is 0, has no say in where the calendar begins and ends. #}
{% macro calendar_days(relation) -%}
    select distinct calendar_day
    from (
        select created_date as calendar_day
        from {{ relation }}

        union all

        select {{ days_later('bounds.last_day', '-numbers.n') }} as calendar_day
        from (
            select
                min(created_date) as first_day,
                max(created_date) as last_day
            from {{ relation }}
            where is_plausible = 1
        ) as bounds
        inner join {{ numbers(399) }} as numbers
            on {{ days_between('bounds.first_day', 'bounds.last_day') }} > numbers.n
    ) as both_sorts
{%- endmacro %}
